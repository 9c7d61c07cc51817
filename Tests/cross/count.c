/* A plugin of qemu-user that counts instructions between two marks.
 *     gcc -shared -fPIC count.c -o count.so; qemu-aarch64 -plugin ./count.so PROGRAM
 * A mark is the system call MARK_BEGIN or MARK_END, which no kernel has: the program goes on with an error it ignores. At the
 * end mark the count goes to standard output. It is the same in every run: the emulator neither guesses nor waits.
 *
 * Debian's qemu comes without its header, so the few functions are declared here (plugin interface 1, which later ones keep). */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define MARK_BEGIN 700001
#define MARK_END 700002
#define EXPORT __attribute__((visibility("default")))

typedef uint64_t plugin_id;
struct block;
void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, void (*)(plugin_id, struct block *));
void qemu_plugin_register_vcpu_tb_exec_cb(struct block *, void (*)(unsigned, void *), int flags, void *);
void qemu_plugin_register_vcpu_syscall_cb(plugin_id, void (*)(plugin_id, unsigned, int64_t, uint64_t, uint64_t, uint64_t,
                                                              uint64_t, uint64_t, uint64_t, uint64_t, uint64_t));
size_t qemu_plugin_tb_n_insns(const struct block *);

EXPORT int qemu_plugin_version = 1;

static uint64_t executed, began;

static void count(unsigned cpu, void *instructions) {
  (void)cpu;
  executed += (uint64_t)(uintptr_t)instructions;
}

static void translated(plugin_id id, struct block *block) {
  (void)id;
  qemu_plugin_register_vcpu_tb_exec_cb(block, count, 0, (void *)(uintptr_t)qemu_plugin_tb_n_insns(block));
}

static void called(plugin_id id, unsigned cpu, int64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                   uint64_t f, uint64_t g, uint64_t h) {
  (void)id, (void)cpu, (void)a, (void)b, (void)c, (void)d, (void)e, (void)f, (void)g, (void)h;
  if (number == MARK_BEGIN) began = executed;
  if (number == MARK_END) {
    printf("%llu\n", (unsigned long long)(executed - began));
    fflush(stdout);
  }
}

EXPORT int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv) {
  (void)info, (void)argc, (void)argv;
  qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
  qemu_plugin_register_vcpu_syscall_cb(id, called);
  return 0;
}
