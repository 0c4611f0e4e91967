// Packing to float32 with AVX-512.
#include "matrix/matrix_avx512.h"
#if BITS_X86
#include "matrix/matrix_vectors_avx512.h"

BITS_TARGET_AVX512 BITS_INLINE __m512i along(const char *from, const int32_t dtype, int32_t rounds, int64_t count) {
    const __m512 x = bits_load16(from, dtype, bits_mask16(count));
    return _mm512_castps_si512(bits_rounded16(x, rounds));
}

BITS_TARGET_AVX512 BITS_INLINE __m512i across(const char *from, int64_t line, int64_t count, const int32_t dtype, int32_t rounds, __mmask16 mask) {
    (void)line;
    (void)count;
    const __m512 x = bits_load16(from, dtype, mask);
    return _mm512_castps_si512(bits_rounded16(x, rounds));
}

#define PACK_NAME(name) bits_pack_##name##_f32_avx512
#define PACK_TARGET BITS_TARGET_AVX512
#define PACK_UNIT 1
#define PACK_TYPES(function) PACK_FLOATS(function)
#include "matrix/matrix_pack_avx512.h"
#endif
