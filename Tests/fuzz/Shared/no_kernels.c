/* The targets run the reference kernels; the other sets stay empty. */
#include "edgeai_kernels.h"
void ek_fill_sse2(ek_table *table) { (void)table; }
void ek_fill_avx2(ek_table *table) { (void)table; }
void ek_fill_avx512vnni(ek_table *table) { (void)table; }
void ek_fill_avx512bf16(ek_table *table) { (void)table; }
