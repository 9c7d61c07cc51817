#include "edgeai_platform.h"

#if defined(__x86_64__)
#include <cpuid.h>

/* Asked of the processor itself: the compiler's __builtin_cpu_supports brings a table of every processor there is. */
static uint32_t ask(void) {
  uint32_t most, a, b, c, d, state, high, set = 0;
  __cpuid(0, most, b, c, d);
  __cpuid(1, a, b, c, d);
  if (c & bit_SSE4_2) set |= EP_CPU_CRC32C;
  const uint32_t needed = bit_OSXSAVE | bit_AVX | bit_FMA;
  if ((c & needed) != needed || most < 7) return set;
  /* XCR0: which registers the operating system saves. */
  __asm__("xgetbv" : "=a"(state), "=d"(high) : "c"(0));
  if ((state & 0x06) != 0x06) return set;
  __cpuid_count(7, 0, a, b, c, d);
  most = a; /* of leaf 7 */
  if (b & bit_AVX2) set |= EP_CPU_AVX2;
  const uint32_t wide = bit_AVX512F | bit_AVX512BW | bit_AVX512DQ | bit_AVX512VL;
  if ((state & 0xe0) == 0xe0 && (b & wide) == wide && (c & bit_AVX512VNNI)) {
    set |= EP_CPU_AVX512VNNI;
    /* Binary kernels count bits with AVX-512 VPOPCNTDQ. Zen 4, Sapphire Rapids and later have both; Cooper Lake, without it,
     * takes the kernels of AVX-512 VNNI. */
    if ((c & bit_AVX512VPOPCNTDQ) && most >= 1) {
      __cpuid_count(7, 1, a, b, c, d);
      if (a & bit_AVX512BF16) set |= EP_CPU_AVX512BF16;
    }
  }
  return set;
}

/* Once: a virtual machine answers by leaving the machine, which takes ten microseconds. Threads that ask at once find the same. */
uint32_t ep_cpu_features(void) {
  static uint32_t known; /* plus one; 0: not asked yet */
  uint32_t found = __atomic_load_n(&known, __ATOMIC_RELAXED);
  if (!found) {
    found = ask() + 1;
    __atomic_store_n(&known, found, __ATOMIC_RELAXED);
  }
  return found - 1;
}
#elif defined(__aarch64__)
#if defined(EDGEAI_FREESTANDING)
uint32_t ep_cpu_features(void) { return EP_CPU_NEON; }
#else
/* Declared here because the Swift cross triple has no Linux headers: getauxval(AT_HWCAP) & HWCAP_ASIMDDP. */
unsigned long getauxval(unsigned long type);
uint32_t ep_cpu_features(void) { return EP_CPU_NEON | ((getauxval(16) & (1ul << 20)) ? EP_CPU_DOTPROD : 0u); }
#endif
#else
uint32_t ep_cpu_features(void) { return 0; }
#endif
