/* The kernels of an instruction set against the scalar ones, which the unit tests hold against double precision. A
 * program of its own, for CPUs that are emulated and have no Swift.
 *
 * usage: kernels ISA */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ckernels.h"

static const ck_kernels *tested, *scalar;
static int passed, failed;

static void expect(int holds, const char *what, size_t a, size_t b, size_t c) {
  if (holds) {
    passed++;
    return;
  }
  failed++;
  printf("%s: differs from the scalar kernel at %zu, %zu, %zu\n", what, a, b, c);
}

/* SplitMix64, so that every run sees the same values. */
static uint64_t random_state = 1;
static uint64_t next_random(void) {
  uint64_t z = random_state += 0x9E3779B97F4A7C15;
  z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
  z = (z ^ z >> 27) * 0x94D049BB133111EB;
  return z ^ z >> 31;
}
static float next_float(float least, float most) {
  return least + (most - least) * (float)(next_random() >> 40) / 0x1p24f;
}

/* Memory for operands, each of its own and no byte more, so that a sanitizer sees who goes beyond; forget() frees it. */
static void *taken[64];
static size_t taken_count;
static void forget(void) {
  while (taken_count > 0) free(taken[--taken_count]);
}
static void *take(size_t bytes) {
  if (taken_count == sizeof taken / sizeof *taken || posix_memalign(&taken[taken_count], 64, bytes) != 0) abort();
  return taken[taken_count++];
}
static float *floats(size_t count, float least, float most) {
  float *values = take(count * sizeof *values);
  for (size_t i = 0; i < count; i++) values[i] = next_float(least, most);
  return values;
}
static void *copy(const void *source, size_t bytes) { return memcpy(take(bytes), source, bytes); }

/* Within `tolerance` of the larger of 1 and the largest expected value. */
static int near(const float *values, const float *expected, size_t count, float tolerance) {
  float scale = 1;
  for (size_t i = 0; i < count; i++) scale = fmaxf(scale, fabsf(expected[i]));
  for (size_t i = 0; i < count; i++)
    if (!(fabsf(values[i] - expected[i]) <= tolerance * scale)) return 0;
  return 1;
}

/* ---- The int8 product ---- */

static void linear(size_t rows, size_t depth, size_t columns, ck_activation activation) {
  forget();
  const size_t blocks = (columns + 15) / 16;
  uint8_t *a = take(rows * depth);
  int8_t *w = take(blocks * 16 * depth);
  int32_t *zero = take(rows * 4), *colsum = take(16 * blocks * 4);
  const int exact = activation == CK_IDENTITY;
  for (size_t i = 0; i < rows * depth; i++) a[i] = next_random() % 4 ? (uint8_t)next_random() : 255;
  for (size_t i = 0; i < blocks * 16 * depth; i++) w[i] = next_random() % 4 ? (int8_t)next_random() : -128;
  for (size_t r = 0; r < rows; r++) zero[r] = (int32_t)(next_random() % 256);
  for (size_t c = 0; c < 16 * blocks; c++) {
    colsum[c] = 0;
    for (size_t k = 0; k < depth; k++) colsum[c] += w[c / 16 * 16 * depth + k / 4 * 64 + c % 16 * 4 + k % 4];
  }
  float *results[2];
  ck_linear_u8s8 args = {
      .a = a, .lda = depth, .a_scale = floats(rows, exact ? 1 : 0.001f, exact ? 1 : 0.01f), .a_zero = zero,
      .rows = rows, .depth = depth, .w = w, .w_scale = floats(16 * blocks, exact ? 1 : 0, exact ? 1 : 0.002f),
      .w_colsum = colsum, .bias = exact ? NULL : floats(columns, -1, 1), .block_end = blocks, .columns = columns,
      .activation = activation, .residual = exact ? NULL : floats(rows * columns, -1, 1), .ldr = columns,
      .ldo = columns};
  const ck_kernels *both[] = {tested, scalar};
  for (int i = 0; i < 2; i++) {
    args.out = results[i] = take(rows * columns * sizeof(float));
    args.scratch = take(both[i]->linear_scratch);
    both[i]->linear_u8s8(&args);
  }
  expect(near(results[0], results[1], rows * columns, exact ? 0 : 2e-6f), "linear_u8s8", rows, depth, columns);
  /* The same in two parts, as threads have it, with the residual where the output goes. */
  args.out = exact ? take(rows * columns * sizeof(float)) : copy(args.residual, rows * columns * sizeof(float));
  args.residual = exact ? NULL : args.out;
  args.scratch = take(tested->linear_scratch);
  for (int part = 0; part < 2; part++) {
    const size_t cut = blocks / 2 | 1;
    args.block_begin = part ? cut : 0;
    args.block_end = part ? blocks : cut;
    tested->linear_u8s8(&args);
  }
  expect(near(args.out, results[1], rows * columns, exact ? 0 : 2e-6f), "linear_u8s8 in parts", rows, depth, columns);
}

static void quantize(size_t rows, size_t columns, float most) {
  forget();
  const size_t ldq = columns + 5;
  float *x = floats(rows * columns, -0.3f * most, most), *smooth = floats(columns, 0.25f, 4);
  uint8_t *q[2];
  float *scale[2];
  int32_t *zero[2];
  const ck_kernels *both[] = {tested, scalar};
  for (int i = 0; i < 2; i++) {
    q[i] = take(rows * ldq), scale[i] = take(rows * 4), zero[i] = take(rows * 4);
    both[i]->quantize_rows(x, columns, rows, columns, smooth, q[i], ldq, scale[i], zero[i]);
  }
  expect(!memcmp(q[0], q[1], rows * ldq) && !memcmp(scale[0], scale[1], rows * 4) &&
             !memcmp(zero[0], zero[1], rows * 4), "quantize_rows", rows, columns, 0);
}

/* ---- Floats ---- */

static void layer_norm(size_t rows, size_t columns) {
  forget();
  const size_t count = rows * columns;
  float *x = floats(count, -2, 3), *gamma = floats(columns, -1, 1), *beta = floats(columns, -1, 1);
  float *dy = floats(count, -1, 1), *out[2], *dx[2], *dgamma[2], *dbeta[2], *scale[2];
  uint8_t *q[2];
  int32_t *zero[2];
  const ck_kernels *both[] = {tested, scalar};
  for (int i = 0; i < 2; i++) {
    out[i] = take(count * 4), dx[i] = take(count * 4), scale[i] = take(rows * 4), zero[i] = take(rows * 4);
    q[i] = take(count), dgamma[i] = floats(columns, 1, 1), dbeta[i] = floats(columns, 1, 1);
    both[i]->layer_norm(x, columns, rows, columns, gamma, beta, 1e-5f, out[i], columns);
    both[i]->layer_norm_backward(x, columns, dy, columns, rows, columns, gamma, 1e-5f, dx[i], columns, dgamma[i],
                                 dbeta[i]);
  }
  expect(near(out[0], out[1], count, 4e-6f), "layer_norm", rows, columns, 0);
  expect(near(dx[0], dx[1], count, 1e-5f), "layer_norm_backward", rows, columns, 0);
  expect(near(dgamma[0], dgamma[1], columns, 1e-5f) && near(dbeta[0], dbeta[1], columns, 1e-5f),
         "layer_norm_backward, weights", rows, columns, 0);
  tested->layer_norm_quantize(x, columns, rows, columns, gamma, beta, 1e-5f, NULL, 0, NULL, q[0], columns, scale[0],
                              zero[0]);
  tested->quantize_rows(out[0], columns, rows, columns, NULL, q[1], columns, scale[1], zero[1]);
  expect(!memcmp(q[0], q[1], count) && !memcmp(scale[0], scale[1], rows * 4) && !memcmp(zero[0], zero[1], rows * 4),
         "layer_norm_quantize", rows, columns, 0);
}

static void attention(size_t queries, size_t keys, size_t dim) {
  forget();
  float *q = floats(queries * dim, -3, 3), *k = floats(keys * dim, -3, 3), *v = floats(keys * dim, -1, 1), *out[2];
  const ck_kernels *both[] = {tested, scalar};
  for (int i = 0; i < 2; i++) {
    out[i] = floats(queries * dim, 7, 7);
    ck_attention args = {.q = q, .ldq = dim, .k = k, .ldk = dim, .v = v, .ldv = dim, .queries = queries, .keys = keys,
                         .dim = dim, .scale = 0.2f, .out = out[i], .ldo = dim,
                         .scratch = take(ck_attention_scratch(keys, dim) * sizeof(float))};
    both[i]->attention(&args);
  }
  expect(near(out[0], out[1], queries * dim, 1e-5f), "attention", queries, keys, dim);
}

static void activations(size_t count, ck_activation activation) {
  forget();
  float *x = floats(count, -9, 9), *bias = floats(count, -1, 1), *residual = floats(count, -1, 1);
  float *dy = floats(count, -1, 1), *y[2], *dx[2];
  const ck_kernels *both[] = {tested, scalar};
  for (int i = 0; i < 2; i++) {
    y[i] = copy(x, count * 4), dx[i] = copy(dy, count * 4);
    both[i]->bias_activation(y[i], count, 1, count, bias, activation, residual, count);
    both[i]->activation_backward(x, count, activation, dx[i]);
  }
  expect(near(y[0], y[1], count, 2e-6f), "bias_activation", count, activation, 0);
  expect(near(dx[0], dx[1], count, 4e-6f), "activation_backward", count, activation, 0);
}

/* What is no number, or has a square that is none, must not become one on its way. */
static void not_a_number(size_t count, size_t place, float bad) {
  forget();
  float *x = floats(count, -1, 1), *gamma = floats(count, 1, 1), *y = take(count * 4), scale[2] = {0, 0};
  uint8_t *q = take(count);
  int32_t zero;
  x[place] = bad;
  for (int activation = CK_IDENTITY; activation <= CK_QUICK_GELU && !(bad < INFINITY); activation++) {
    y = copy(x, count * 4);
    tested->bias_activation(y, count, 1, count, NULL, (ck_activation)activation, NULL, 0);
    int holds = !isfinite(y[place]);
    for (size_t i = 0; i < count; i++) holds &= i == place || isfinite(y[i]);
    expect(holds, "bias_activation of no number", count, place, (size_t)activation);
  }
  tested->layer_norm(x, count, 1, count, gamma, gamma, 1e-5f, y, count);
  tested->quantize_rows(x, count, 1, count, NULL, q, count, &scale[0], &zero);
  expect(isfinite(bad) || isnan(scale[0]), "quantize_rows of no number", count, place, 0);
  tested->layer_norm_quantize(x, count, 1, count, gamma, gamma, 1e-5f, NULL, 0, NULL, q, count, &scale[1], &zero);
  int holds = isnan(scale[1]);
  for (size_t i = 0; i < count; i++) holds &= isnan(y[i]);
  expect(holds || count == 1, "layer_norm of no number", count, place, 0);
  if (isfinite(bad)) return;
  tested->softmax(x, count, 1);
  holds = 1;
  for (size_t i = 0; i < count; i++) holds &= isnan(x[i]);
  expect(holds || bad < 0, "softmax of no number", count, place, 0);
}

static void products(size_t rows, size_t columns) {
  forget();
  float *w = floats(rows * columns, -1, 1), *x = floats(columns, -1, 1), *z = floats(rows, -1, 1), *y[2], *t[2], *p[2];
  float *other = floats(columns, -1, 1), dots[2];
  const ck_kernels *both[] = {tested, scalar};
  for (int i = 0; i < 2; i++) {
    y[i] = take(rows * 4), t[i] = take(columns * 4), p[i] = copy(x, columns * 4);
    both[i]->gemv(w, columns, rows, columns, x, z, y[i]);
    both[i]->gemv_transposed(w, columns, rows, columns, z, t[i]);
    both[i]->softmax(p[i], columns, 5);
    dots[i] = both[i]->dot(x, other, columns);
  }
  expect(near(y[0], y[1], rows, 1e-5f), "gemv", rows, columns, 0);
  expect(near(t[0], t[1], columns, 1e-5f), "gemv_transposed", rows, columns, 0);
  expect(near(p[0], p[1], columns, 2e-6f), "softmax", columns, 0, 0);
  expect(near(&dots[0], &dots[1], 1, 1e-5f), "dot", columns, 0, 0);
}

static float nearest_bf16(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  bits = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000;
  memcpy(&x, &bits, sizeof x);
  return x;
}

/* Against double precision: the scalar kernel sums in another order. */
static void gemm(size_t rows, size_t columns, size_t depth, int transpose_a, int transpose_b, int accumulates) {
  forget();
  const size_t lda = (transpose_a ? rows : depth) + 3, ldb = (transpose_b ? depth : columns) + 2, ldo = columns + 1;
  float *a = floats((transpose_a ? depth : rows) * lda, -1, 1);
  float *b = floats((transpose_b ? columns : depth) * ldb, -1, 1);
  float *before = floats(rows * ldo, -1, 1), *expected = take(rows * ldo * sizeof(float));
  memcpy(expected, before, rows * ldo * sizeof(float));
  for (size_t r = 0; r < rows; r++)
    for (size_t c = 0; c < columns; c++) {
      double sum = accumulates ? before[r * ldo + c] : 0;
      for (size_t k = 0; k < depth; k++)
        sum += (double)nearest_bf16(a[transpose_a ? k * lda + r : r * lda + k]) *
               nearest_bf16(b[transpose_b ? c * ldb + k : k * ldb + c]);
      expected[r * ldo + c] = (float)sum;
    }
  const ck_kernels *both[] = {tested, scalar};
  for (int i = 0; i < 2; i++) {
    ck_gemm args = {.a = a, .lda = lda, .transpose_a = transpose_a, .b = b, .ldb = ldb, .transpose_b = transpose_b,
                    .rows = rows, .columns = columns, .depth = depth, .accumulates = accumulates,
                    .out = copy(before, rows * ldo * sizeof(float)), .ldo = ldo, .scratch = take(ck_gemm_scratch)};
    both[i]->gemm_bf16(&args);
    expect(near(args.out, expected, rows * ldo, 1e-6f * (float)(depth + 1)), i ? "gemm_bf16, scalar" : "gemm_bf16",
           rows, columns, depth);
  }
}

/* Ties, overflow, infinity and what is no number, in each lane of either operand. */
static void gemm_special(uint32_t given, uint32_t expected) {
  enum { lines = 67 };
  float value, one = 1, values[lines];
  memcpy(&value, &given, sizeof value);
  for (size_t i = 0; i < lines; i++) values[i] = value;
  const ck_kernels *both[] = {tested, scalar};
  for (int i = 0; i < 4; i++) {
    forget();
    float *out = floats(lines, 0, 0);
    ck_gemm args = {.a = values, .lda = 1, .b = &one, .ldb = 1, .rows = lines, .columns = 1, .depth = 1, .out = out,
                    .ldo = 1, .scratch = take(ck_gemm_scratch)};
    if (i >= 2) args.a = &one, args.b = values, args.ldb = lines, args.rows = 1, args.columns = lines, args.ldo = lines;
    both[i % 2]->gemm_bf16(&args);
    int same = 1;
    for (size_t line = 0; line < lines; line++)
      same &= isnan(value) ? isnan(out[line]) : !memcmp(&out[line], &expected, sizeof expected);
    expect(same, "gemm_bf16 of a special value", given, (size_t)i, 0);
  }
}

static void adamw(size_t count) {
  forget();
  float *value = floats(count, -1, 1), *gradient = floats(count, -1, 1), *first = floats(count, -1, 1);
  float *second = floats(count, 0, 1), *results[2][3];
  const ck_kernels *both[] = {tested, scalar};
  for (int i = 0; i < 2; i++) {
    ck_adamw args = {.value = copy(value, count * 4), .gradient = gradient, .first = copy(first, count * 4),
                     .second = copy(second, count * 4), .count = count, .gradient_scale = 0.5f, .kept = 0.99f,
                     .beta1 = 0.9f, .beta2 = 0.999f, .rate = 0.01f, .correction = 2, .epsilon = 1e-8f};
    both[i]->adamw(&args);
    results[i][0] = args.value, results[i][1] = args.first, results[i][2] = args.second;
  }
  for (int i = 0; i < 3; i++) expect(near(results[0][i], results[1][i], count, 2e-6f), "adamw", count, (size_t)i, 0);
}

/* ---- Pixels ---- */

static void resample(size_t rows, size_t channels, size_t columns, size_t groups) {
  forget();
  const size_t written = channels < 3 ? channels : 3, width = groups * ck_resample_group, stride = 3 * columns + width;
  uint8_t *pixels = take(rows * stride), *out[2], *row[2];
  int32_t *coefficients = take(columns * width * 4);
  size_t *offsets = take(columns * sizeof *offsets);
  for (size_t i = 0; i < rows * stride; i++) pixels[i] = (uint8_t)next_random();
  for (size_t i = 0; i < columns * width; i++)
    coefficients[i] = (int32_t)(next_random() % (1 << (ck_coefficient_bits - 6))) - (1 << (ck_coefficient_bits - 8));
  for (size_t i = 0; i < columns; i++) offsets[i] = 3 * i;
  const ck_kernels *both[] = {tested, scalar};
  for (int i = 0; i < 2; i++) {
    out[i] = take(rows * columns * written), row[i] = take(stride);
    ck_resample_columns args = {.rows = pixels, .stride = stride, .row_count = rows, .coefficients = coefficients,
                                .offsets = offsets, .columns = columns, .groups = groups, .channels = channels,
                                .out = out[i], .out_stride = columns * written};
    both[i]->resample_columns(&args);
    both[i]->resample_row(pixels, stride, coefficients, rows, stride, row[i]);
  }
  expect(!memcmp(out[0], out[1], rows * columns * written), "resample_columns", rows, channels, columns);
  expect(!memcmp(row[0], row[1], stride), "resample_row", rows, stride, 0);
}

int main(int count, char **arguments) {
  tested = ck_kernels_named(count > 1 ? arguments[1] : NULL);
  scalar = ck_kernels_named("scalar");
  if (tested == NULL) {
    fprintf(stderr, "usage: kernels ISA, one that this CPU has\n");
    return 2;
  }
  static const size_t rows[] = {0, 1, 2, 3, 4, 5, 7, 13, 50}, depths[] = {4, 60, 64, 388};
  static const size_t columns[] = {1, 15, 16, 31, 100, 147};
  for (size_t r = 0; r < sizeof rows / sizeof *rows; r++)
    for (size_t c = 0; c < sizeof columns / sizeof *columns; c++) {
      for (size_t d = 0; d < sizeof depths / sizeof *depths; d++)
        for (int activation = CK_IDENTITY; activation <= CK_QUICK_GELU; activation++)
          linear(rows[r], depths[d], columns[c], (ck_activation)activation);
      quantize(rows[r], columns[c], r % 2 ? 1 : 1e4f);
      layer_norm(rows[r], columns[c]);
      attention(rows[r], columns[c], 7 + 19 * r);
      products(rows[r], columns[c]);
    }
  attention(3, 0, 64);
  /* More rows than the first-level cache holds, and more weights than the second. */
  linear(400, 128, 35, CK_QUICK_GELU);
  linear(33, 1536, 723, CK_IDENTITY);
  static const size_t gemm_rows[] = {0, 1, 3, 8, 21, 130}, gemm_columns[] = {0, 1, 15, 32, 49, 101};
  static const size_t gemm_depths[] = {0, 1, 2, 5, 64, 530};
  for (size_t r = 0; r < sizeof gemm_rows / sizeof *gemm_rows; r++)
    for (size_t c = 0; c < sizeof gemm_columns / sizeof *gemm_columns; c++)
      for (size_t d = 0; d < sizeof gemm_depths / sizeof *gemm_depths; d++)
        for (int how = 0; how < 8; how++)
          gemm(gemm_rows[r], gemm_columns[c], gemm_depths[d], how & 1, how & 2, how & 4);
  static const uint32_t special[][2] = {
      {0x3f808000, 0x3f800000}, {0x3f818000, 0x3f820000}, {0xbf808001, 0xbf810000}, {0x7f7fffff, 0x7f800000},
      {0xff800000, 0xff800000}, {0x00800000, 0x00800000}, {0x7f800001, 0}, {0xff80ffff, 0}, {0x7fc00000, 0},
      {0x7fffffff, 0}};
  for (size_t i = 0; i < sizeof special / sizeof *special; i++) gemm_special(special[i][0], special[i][1]);
  static const float bad[] = {NAN, INFINITY, -INFINITY, 1e20f};
  for (size_t n = 1; n < 70; n += 3)
    for (size_t b = 0; b < sizeof bad / sizeof *bad; b++)
      for (size_t place = 0; place < n; place += n < 4 ? 1 : n / 3) not_a_number(n, place, bad[b]);
  for (size_t n = 0; n < 40; n++) {
    for (int activation = CK_IDENTITY; activation <= CK_QUICK_GELU; activation++)
      activations(n, (ck_activation)activation);
    adamw(n);
  }
  static const size_t channels[] = {1, 3, 4};
  for (size_t r = 1; r <= ck_resample_strip; r++)
    for (int c = 0; c < 3; c++) resample(r, channels[c], 37, 1 + r % 3);
  forget();
  printf("%s: %d passed, %d failed\n", tested->isa, passed, failed);
  return failed > 0;
}
