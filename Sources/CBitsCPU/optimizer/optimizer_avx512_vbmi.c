// Optimizer steps with AVX-512 and byte permutations (VBMI): a table of 256 floats is four tables of bytes, and 64 codes are looked up at once.
// Packing and unpacking work within the four quarters of a register, so codes are transposed on the way between memory and registers.
#include "base/private_base.h"
#if BITS_X86

#define LEVEL_TARGET BITS_TARGET_AVX512_VBMI
#define LEVEL_HALVES
#include "optimizer/optimizer_level.h"

// Between memory order (quarter j holds elements 16j...16j+15) and packed order (quarter L holds elements 16j+4L...16j+4L+3 for j = 0...3).
INLINE __m512i transposed(__m512i codes) {
    return _mm512_permutexvar_epi32(_mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15), codes);
}

// 64 floats of a table of `entries` (128 or 256), for codes in packed order: result[j] holds elements 16j...16j+15.
INLINE void look_up(const uint8_t planes[4][256], int entries, __m512i at, __m512 result[4]) {
    const __mmask64 upper = _mm512_movepi8_mask(at);
    __m512i byte[4];
    for (int plane = 0; plane < 4; plane++) {
        const uint8_t *table = planes[plane];
        byte[plane] = _mm512_permutex2var_epi8(_mm512_load_si512(table), at, _mm512_load_si512(table + 64));
        if (entries == 256) {
            const __m512i high = _mm512_permutex2var_epi8(_mm512_load_si512(table + 128), at, _mm512_load_si512(table + 192));
            byte[plane] = _mm512_mask_mov_epi8(byte[plane], upper, high);
        }
    }
    const __m512i low01 = _mm512_unpacklo_epi8(byte[0], byte[1]), high01 = _mm512_unpackhi_epi8(byte[0], byte[1]);
    const __m512i low23 = _mm512_unpacklo_epi8(byte[2], byte[3]), high23 = _mm512_unpackhi_epi8(byte[2], byte[3]);
    result[0] = (__m512)_mm512_unpacklo_epi16(low01, low23);
    result[1] = (__m512)_mm512_unpackhi_epi16(low01, low23);
    result[2] = (__m512)_mm512_unpacklo_epi16(high01, high23);
    result[3] = (__m512)_mm512_unpackhi_epi16(high01, high23);
}

LEVEL_TARGET static void read_codes(const bits_code_map *map, const uint8_t *codes, float absmax, float *moment, int64_t count) {
    const __m512 scale = _mm512_set1_ps(absmax);
    for (int64_t i = 0; i < count; i += BITS_GROUP) {
        __m512 values[4];
        look_up(map->value_planes, 256, transposed(_mm512_loadu_si512(codes + i)), values);
        for (int j = 0; j < 4; j++) _mm512_storeu_ps(moment + i + 16 * j, _mm512_mul_ps(values[j], scale));
    }
}

INLINE __mmask64 joined(const __mmask16 masks[4]) {
    return _mm512_kunpackd(_mm512_kunpackw(masks[3], masks[2]), _mm512_kunpackw(masks[1], masks[0]));
}

// 64 codes of a dynamic map.
INLINE __m512i nearest_codes(const bits_code_map *map, int is_signed, const float *moment, __m512 inverse) {
    const __m512 lower_slope = _mm512_load_ps(map->octaves[0]), lower_offset = _mm512_load_ps(map->octaves[1]);
    const __m512 upper_slope = _mm512_load_ps(map->octaves[2]), upper_offset = _mm512_load_ps(map->octaves[3]);
    __m512 magnitude[4], threshold[4];
    __m512i candidate[4];
    __mmask16 negative[4], above[4];
    for (int j = 0; j < 4; j++) {
        const __m512 s = _mm512_loadu_ps(moment + 16 * j), y = _mm512_mul_ps(s, inverse);
        negative[j] = _mm512_cmp_ps_mask(s, _mm512_setzero_ps(), _CMP_LT_OQ);
        magnitude[j] = _mm512_max_ps(is_signed ? _mm512_abs_ps(y) : y, _mm512_set1_ps(0x1p-31f));
        const __m512i octaves = _mm512_srli_epi32((__m512i)magnitude[j], 24);
        const __m512 lower = _mm512_fmadd_ps(
            magnitude[j], _mm512_permutexvar_ps(octaves, lower_slope), _mm512_permutexvar_ps(octaves, lower_offset));
        const __m512 upper = _mm512_fmadd_ps(
            magnitude[j], _mm512_permutexvar_ps(octaves, upper_slope), _mm512_permutexvar_ps(octaves, upper_offset));
        candidate[j] = _mm512_cvttps_epi32(_mm512_min_ps(lower, upper));
    }
    const __m512i packed = _mm512_packus_epi16(
        _mm512_packus_epi32(candidate[0], candidate[1]), _mm512_packus_epi32(candidate[2], candidate[3]));
    look_up(map->threshold_planes, is_signed ? 128 : 256, packed, threshold);
    for (int j = 0; j < 4; j++) above[j] = _mm512_cmp_ps_mask(magnitude[j], threshold[j], _CMP_GT_OQ);

    const __m512i one = _mm512_set1_epi8(1), middle = _mm512_set1_epi8(127);
    __m512i code = transposed(packed);
    code = _mm512_mask_add_epi8(code, joined(above), code, one);
    if (!is_signed) return code;
    const __m512i least = _mm512_max_epu8(_mm512_min_epu8(code, middle), one);
    return _mm512_mask_sub_epi8(_mm512_add_epi8(middle, code), joined(negative), middle, least);
}

LEVEL_TARGET static void write_codes(const bits_code_map *map, const float *moment, uint8_t *codes, float inverse, int64_t count) {
    const __m512 scale = _mm512_set1_ps(inverse);
    if (map->kind == BITS_MAP_SIGNED)
        for (int64_t i = 0; i < count; i += BITS_GROUP) _mm512_storeu_si512(codes + i, nearest_codes(map, 1, moment + i, scale));
    else
        for (int64_t i = 0; i < count; i += BITS_GROUP) _mm512_storeu_si512(codes + i, nearest_codes(map, 0, moment + i, scale));
}

const bits_optimizer_level bits_optimizer_avx512_vbmi = LEVEL_TABLE(write_codes);
#endif
