// Which version of the product's parts runs on this processor.
#include "matrix/matrix_engine.h"

const matrix_engine *bits_matrix_engine(int32_t precision, int32_t *rounds) {
    *rounds = precision == BITS_PRODUCT_BF16 ? BITS_BF16 : precision == BITS_PRODUCT_F16 ? BITS_F16 : BITS_F32;
#if BITS_X86
    const int32_t level = bits_cpu_level(), features = bits_cpu_features();
    if (*rounds == BITS_BF16 && level >= BITS_AMX && features & BITS_HAS_AMX_BF16) return *rounds = BITS_F32, &bits_matrix_amx;
    if (*rounds == BITS_BF16 && level >= BITS_AVX512 && features & BITS_HAS_AVX512_BF16) return *rounds = BITS_F32, &bits_matrix_avx512_bf16;
    if (level >= BITS_AVX512) return *rounds == BITS_F16 ? &bits_matrix_avx512_f16 : &bits_matrix_avx512;
    if (level >= BITS_AVX2) return &bits_matrix_avx2;
#endif
    return &bits_matrix_portable;
}
