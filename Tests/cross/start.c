/* Start of a program on a bare Cortex-M: vectors, memory, then main. Output goes through semihosting. */
#include <stdint.h>
#include <stdlib.h>

extern uint32_t data_load, data_start, data_end, bss_start, bss_end, stack_top;
extern int main(void);
extern void initialise_monitor_handles(void);
void reset(void);

/* newlib's, which -nostartfiles leaves out. */
void _init(void) {}
void _fini(void) {}

void reset(void) {
  uint32_t *from = &data_load, *to;
  for (to = &data_start; to < &data_end;) *to++ = *from++;
  for (to = &bss_start; to < &bss_end;) *to++ = 0;
  *(volatile uint32_t *)0xE000ED88 |= 0xFu << 20; /* switch the floating-point unit on */
  __asm volatile("dsb; isb");
  initialise_monitor_handles();
  exit(main());
}

static void fault(void) { exit(99); }

__attribute__((section(".vectors"), used)) static void (*const vectors[16])(void) = {
  (void (*)(void))&stack_top, reset, fault, fault, fault, fault, fault};

/* Swift's stack protector. */
uintptr_t __stack_chk_guard = 0x5EED5EED;
void __stack_chk_fail(void) { exit(98); }
