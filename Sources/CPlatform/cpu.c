#include "edgeai_platform.h"

#if defined(__x86_64__)
uint32_t ep_cpu_features(void) {
  uint32_t set = 0;
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) set |= EP_CPU_AVX2;
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni"))
    set |= EP_CPU_AVX512VNNI;
  return set;
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
