/* arms.h - choose, per request, among vision-language models (VLMs).
 *
 * Given an image, a question and a pool of candidate VLMs, libarms says which of them will answer
 * correctly. It runs in the caller's process, in milliseconds, on the CPU.
 *
 * Conventions
 * -----------
 * - Every call that can fail returns an arms_status and takes an `arms_error **error` last. When the
 *   status is not ARMS_OK and `error` is not NULL, `*error` receives an error to be read with
 *   arms_error_message() and freed with arms_error_free(). There is no thread-local "last error".
 *   On failure no output is written, unless the function says otherwise. Beside the errors that a
 *   function names, each may fail with OUT_OF_MEMORY or INTERNAL, and one that takes a string or a path
 *   also with INVALID_TEXT, and with LIMIT_EXCEEDED if it has more than 1 MiB; questions that are routed,
 *   scored, encoded or tokenized may be longer. `*error` is NULL after a failure for which there was no
 *   memory to say more. An error is no handle: it is freed once. OUT_OF_MEMORY is said of what grows with
 *   inputs; where not even some kilobytes can be had, Swift's runtime ends the process.
 * - Handles are opaque. Freeing NULL does nothing. A freed handle is detected when it is used again
 *   and answered with ARMS_ERROR_INVALID_HANDLE. What was made from a router stays valid after the
 *   router is freed. A call that makes a handle fails with LIMIT_EXCEEDED while 16 million are open.
 * - Every function may be called from any thread at any time, on the same handles as well; a trainer
 *   answers one call at a time, others with ARMS_ERROR_BUSY.
 * - Structs begin with `struct_size`, which the caller sets to sizeof(the struct). They only grow at
 *   their end; a library takes every size from that of a struct's first release on, of a program that
 *   was compiled against a later header as well: what it does not know of an input must then be zero, or
 *   is refused with UNSUPPORTED, and is set to zero in an output. In options and inputs zero means the
 *   default; a text of length 0, which is not NULL, is the empty text. In an array of structs the first element's
 *   `struct_size` is the stride and holds for all.
 * - Callbacks return to the library: no exception, longjmp() or end of the thread may leave them, or the
 *   handle stays busy and memory is lost. The library sets the `struct_size` of what they are given.
 * - After fork() the child can use every handle, but for a trainer or data set that a thread of the parent
 *   was changing, which answers UNSUPPORTED. A fork() while another thread is in the process's first call
 *   of a function, or the first that takes its way through it (float weights, training, images), may leave
 *   a child that waits for ever in its own: make each such call once before.
 * - The library's threads have the priority and the cores of the thread whose call first needs them. A
 *   thread is cancelled (pthread_cancel()) before or after a call, not in it.
 * - Calls expect the floating-point environment that a thread begins with: rounding to nearest, without which
 *   results are others, and no exception unmasked.
 * - Results go to the caller's buffers. A function that fills an array takes its capacity in elements
 *   and reports the number that there are; with less capacity than that it returns
 *   ARMS_ERROR_BUFFER_TOO_SMALL, writes that number and nothing else. A capacity of 0 with a NULL
 *   buffer asks for the number alone and succeeds.
 * - Strings in are UTF-8. Where a length is given, ARMS_NUL_TERMINATED means "up to the NUL".
 *   Strings out are UTF-8 and end in NUL.
 * - Costs are US dollars a query, latencies milliseconds.
 *
 * Stability
 * ---------
 * The ABI version grows when functions, fields or values are added. Nothing is removed, reordered or
 * renumbered while the soname is libarms.so.0. A function to be retired is first marked deprecated
 * here, for at least one release, and works until the soname changes. Each release is compared with the
 * record of the one before (Tests/ABI/record).
 */
#ifndef ARMS_H
#define ARMS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The version of this header; arms_abi_version() gives the library's. */
#define ARMS_ABI_VERSION 1

/* A text length: the text ends at its NUL. */
#define ARMS_NUL_TERMINATED SIZE_MAX

/* Bytes of a candidate's name, its NUL included. */
#define ARMS_NAME_CAPACITY 96

/* The most experts that a router may have. */
#define ARMS_EXPERT_CAPACITY 32

/* Elements of arms_router_counters.errors and arms_router_counters.stages, and buckets of a histogram. */
#define ARMS_STATUS_CAPACITY 32
#define ARMS_STAGE_CAPACITY 8
#define ARMS_HISTOGRAM_BUCKETS 48

/* ------------------------------------------------------------------------------------------------
 * Status and errors
 * --------------------------------------------------------------------------------------------- */

/* The result of a call: ARMS_OK or one of arms_status_code. Numbers are never reused. */
typedef int32_t arms_status;

enum arms_status_code {
  ARMS_OK = 0,
  ARMS_ERROR_INVALID_ARGUMENT = 1,  /* an argument is missing, out of range, or contradicts another */
  ARMS_ERROR_INVALID_HANDLE = 2,    /* a handle was freed, never existed, or is of another type */
  ARMS_ERROR_NOT_FOUND = 3,         /* a named candidate does not exist */
  ARMS_ERROR_ALREADY_EXISTS = 4,    /* a candidate or outcome that is to be added is there already */
  ARMS_ERROR_IO = 5,                /* a file cannot be opened, read or written */
  ARMS_ERROR_INVALID_MODEL = 6,     /* a model file is not one, is damaged, or contradicts itself */
  ARMS_ERROR_INVALID_IMAGE = 7,     /* an image cannot be decoded */
  ARMS_ERROR_INVALID_TEXT = 8,      /* a text is not UTF-8 */
  ARMS_ERROR_NOT_FINITE = 9,        /* a value is NaN or infinite where a number is needed */
  ARMS_ERROR_LIMIT_EXCEEDED = 10,   /* well-formed, but larger than the limits in force */
  ARMS_ERROR_OUT_OF_MEMORY = 11,    /* memory could not be had */
  ARMS_ERROR_UNSUPPORTED = 12,      /* well-formed, but this library or machine cannot do it */
  ARMS_ERROR_NO_CANDIDATES = 13,    /* no candidate is left to choose from */
  ARMS_ERROR_MISSING_VALUE = 14,    /* a policy or ceiling needs a cost or latency that is unknown */
  ARMS_ERROR_BUFFER_TOO_SMALL = 15, /* the caller's buffer is too small; the number was reported */
  ARMS_ERROR_CANCELLED = 16,        /* the caller's callback asked to stop */
  ARMS_ERROR_INTERNAL = 17,         /* a defect in the library; please report it */
  ARMS_ERROR_BUSY = 18,             /* another call on the handle is under way; one at a time */
  ARMS_ERROR_CONFLICT = 19          /* the router was changed meanwhile; do it again */
};

/* What went wrong: a status and one line of text. Immutable. */
typedef struct arms_error arms_error;

/* The status that came with `error`; ARMS_OK for NULL. */
arms_status arms_error_status(const arms_error *error);

/* One line: the input at fault, what is wrong with it and what would be right.
 * Valid until the error is freed; "" for NULL. */
const char *arms_error_message(const arms_error *error);

/* Frees an error. */
void arms_error_free(arms_error *error);

/* The name of a status as it stands in this header, "ARMS_ERROR_IO" say; "ARMS_ERROR_UNKNOWN" for a
 * number that this version does not know. Static storage. */
const char *arms_status_name(arms_status status);

/* ------------------------------------------------------------------------------------------------
 * The library
 * --------------------------------------------------------------------------------------------- */

/* The ABI version of the loaded library. A program built against this header needs at least
 * ARMS_ABI_VERSION. */
uint32_t arms_abi_version(void);

/* The release of the loaded library, "0.1.0" say. Static storage. */
const char *arms_version(void);

/* The instruction set that the kernels use on this CPU: "amx", "avx512bf16", "avx512vnni", "avxvnni",
 * "avx2", "neon" or "scalar". Static storage. The environment variable ARMS_ISA, read once, can ask for a lesser
 * one; one that this CPU lacks is ignored. "amx" is asked of Linux for the process. It makes the state of a thread that
 * routes or trains, and the frame of a signal to it, 8 KB larger: where a signal stack has no room for that, a lesser
 * instruction set is taken, afterwards a smaller stack is refused (sigaltstack: ENOMEM), and if Linux has no memory for
 * the state at a thread's first call, it ends the process (SIGSEGV). ARMS_ISA=avx512vnni avoids all of it. */
const char *arms_kernel_isa(void);

enum arms_log_level {
  ARMS_LOG_ERROR = 1, /* a call failed, with another status than BUFFER_TOO_SMALL, by which hosts ask for
                       * a size; the message begins with the function's name */
  ARMS_LOG_INFO = 2   /* a router was opened, or its weights were replaced: by a file, an adapter, a
                       * trainer's commit or an extension that was accepted */
};

/* Is given one line about what happened: of arms_log_level, UTF-8, valid during the call. */
typedef void (*arms_log_callback)(int32_t level, const char *message, void *user_data);

/* Sets what the whole process's messages go to; NULL, as in the beginning: nothing. It is called by the
 * thread whose call it is about, with no lock held, and may call this library; what such calls would
 * log is not. Calls that another thread has begun may still go to the one before: `user_data` must stay
 * valid until they are done. */
void arms_log_set(arms_log_callback callback, void *user_data);

/* ------------------------------------------------------------------------------------------------
 * Router
 * --------------------------------------------------------------------------------------------- */

/* A router loaded from a model file, with its candidates. */
typedef struct arms_router arms_router;

enum arms_open_flag {
  /* Read the file into memory instead of mapping it. A mapped file that is truncated by another
   * process kills its readers (SIGBUS); a copy cannot be. Costs the load time and the sharing. */
  ARMS_OPEN_COPY = 1
};

typedef struct arms_open_options {
  uint32_t struct_size;
  uint32_t flags;             /* of arms_open_flag */
  uint32_t threads;           /* threads a call may use, the caller's included; 0: the cores that
                               * this process may use, by its affinity and by the processor time that
                               * its control group grants (version 2, as of a container's limit) */
  uint32_t reserved;          /* 0 */
  uint64_t max_image_bytes;   /* largest encoded image; 0: 67,108,864 */
  uint64_t max_image_pixels;  /* largest image, width times height; 0: 100,000,000. A PNG of more than
                               * 1,000,000 columns is refused whatever it is */
} arms_open_options;

/* Opens the model file at `path`. `options` may be NULL.
 * Errors: IO, INVALID_MODEL, UNSUPPORTED, OUT_OF_MEMORY, INVALID_ARGUMENT. */
arms_status arms_router_open(const char *path, const arms_open_options *options,
                             arms_router **router, arms_error **error);

/* Frees a router. Calls in flight on other threads finish undisturbed. */
void arms_router_free(arms_router *router);

/* Writes the router and its present candidates as a model file. The file at `path` is replaced in
 * one step when all bytes are on disk, or left as it is.
 * Errors: IO, INVALID_ARGUMENT, INVALID_HANDLE. */
arms_status arms_router_save(const arms_router *router, const char *path, arms_error **error);

enum arms_reload_flag {
  /* Keep the present candidates, in their order, with their costs, latencies, limits of images, and as
   * enabled as they are. What is learned of a candidate, its calibration included, is taken from the
   * file if it has one of that name and profile. Others are embedded anew and keep their calibration.
   * Otherwise the candidates are the file's, and those of before are gone. */
  ARMS_RELOAD_KEEP_CANDIDATES = 1
};

typedef struct arms_reload_options {
  uint32_t struct_size;
  uint32_t flags;             /* of arms_reload_flag */
} arms_reload_options;

/* Replaces weights and candidates by those of the model file at `path`, in one step, as one new
 * generation. The file is mapped or copied as the first one was; threads and limits stay. Calls in
 * flight finish on what they began with, and nobody waits but other changes: one of the candidates that
 * is made meanwhile is made to the new ones afterwards. The file passes every check of opening one, and
 * its weights answer a query, before they serve; a file that fails leaves the old one serving. Encoded
 * questions and images are good for the new weights if their encoders are the same, and refused with
 * INVALID_ARGUMENT otherwise. `options` may be NULL.
 *
 * Never write to a model file that is in use: write another and rename it over the old one, as
 * arms_router_save() does.
 * Errors: as arms_router_open(), INVALID_HANDLE, and INVALID_ARGUMENT for a candidate that cannot be
 * kept: its embedding was given, and the new weights want another width. */
arms_status arms_router_reload(arms_router *router, const char *path,
                               const arms_reload_options *options, arms_error **error);

/* Adds an adapter that arms_trainer_save_adapter() wrote to the weights that it was trained on, in one
 * step, as one new generation: the router then answers as the trained one did, to the bit, and
 * arms_router_save() writes the merged model. As arms_router_reload(), but that "the file's" candidates
 * are those of the training, and that the other router of a cascade stays as it is.
 * Errors: IO, INVALID_MODEL, UNSUPPORTED (it is no adapter), OUT_OF_MEMORY, INVALID_HANDLE, and
 * INVALID_ARGUMENT for an adapter of other weights or a candidate that cannot be kept. The router is then
 * as it was. */
arms_status arms_router_apply_adapter(arms_router *router, const char *path,
                                      const arms_reload_options *options, arms_error **error);

enum arms_fusion { ARMS_FUSION_POOLED = 1, ARMS_FUSION_PATCHES = 2, ARMS_FUSION_CONCAT = 3 };
enum arms_head { ARMS_HEAD_PAPER = 1, ARMS_HEAD_SCALED = 2 };

typedef struct arms_router_info {
  uint32_t struct_size;
  uint32_t fusion;             /* of arms_fusion */
  uint32_t head;               /* of arms_head */
  uint32_t expert_count;       /* N */
  uint32_t text_width;         /* d_t: of a pooled question and of a profile's embedding */
  uint32_t image_width;        /* d_v: of a pooled image */
  uint32_t patch_width;        /* d_p: of an image token; 0 without an image encoder */
  uint32_t image_tokens;       /* image tokens of one image, CLS included; 0 without an encoder */
  uint32_t image_size;         /* side of the prepared square image, in pixels; 0: the router has no
                                * image encoder and ignores the images of its queries */
  uint32_t max_images;         /* images a query may have */
  uint32_t max_question_tokens;/* longer questions are truncated */
  uint32_t shared_width;       /* r: of the classifier */
  uint32_t router_count;       /* 2 when the file holds a cascade's second router */
  uint32_t threads;            /* threads a call may use */
  uint64_t candidate_count;    /* disabled ones included */
  uint64_t generation;         /* grows with every change of the candidates or weights */
} arms_router_info;

/* Describes a router. For a cascade the widths are the first router's.
 * Errors: INVALID_HANDLE, INVALID_ARGUMENT. */
arms_status arms_router_describe(const arms_router *router, arms_router_info *info,
                                 arms_error **error);

typedef struct arms_memory {
  uint32_t struct_size;
  uint32_t reserved;
  uint64_t mapped_bytes;     /* the model file, shared with every process that maps it */
  uint64_t weight_bytes;     /* weights held privately: copied or converted at load, trained or merged */
  uint64_t candidate_bytes;  /* embeddings and keys of the candidates */
  uint64_t scratch_bytes;    /* scratch kept for the next calls */
} arms_memory;

/* Says what memory a router holds, in bytes. Errors: INVALID_HANDLE, INVALID_ARGUMENT. */
arms_status arms_router_memory(const arms_router *router, arms_memory *memory, arms_error **error);

/* ------------------------------------------------------------------------------------------------
 * Metrics
 * --------------------------------------------------------------------------------------------- */

enum arms_stage {
  ARMS_STAGE_ROUTE = 0,    /* a whole arms_route() that succeeded */
  ARMS_STAGE_TOKENIZE = 1, /* the tokens of the texts that a call encodes together */
  ARMS_STAGE_DECODE = 2,   /* decoding and preparing one image */
  ARMS_STAGE_TEXT = 3,     /* the text encoder, for those texts; it may run beside decoding and encoding images */
  ARMS_STAGE_IMAGE = 4,    /* the image encoder, for up to eight images */
  ARMS_STAGE_HEAD = 5      /* gate, experts and classifier, for queries that are answered together */
};

/* How often times of each length were seen. */
typedef struct arms_histogram {
  uint64_t count;                           /* times that were seen */
  uint64_t nanoseconds;                     /* their sum */
  uint64_t buckets[ARMS_HISTOGRAM_BUCKETS]; /* those above arms_histogram_bound() of the bucket before,
                                             * and not above its own */
} arms_histogram;

/* What a router has done since it was opened. Everything only grows. */
typedef struct arms_router_counters {
  uint32_t struct_size;
  uint32_t stage_count;         /* entries of `stages` that this library fills */
  uint64_t routes;              /* decisions made */
  uint64_t scores;              /* calls of arms_score() that wrote scores */
  uint64_t scored_queries;      /* queries that these scored */
  uint64_t abstentions;         /* decisions with ARMS_DECISION_ABSTAINED */
  uint64_t second_router;       /* ... with ARMS_DECISION_SECOND_ROUTER */
  uint64_t truncated_questions; /* ... with ARMS_DECISION_QUESTION_TRUNCATED */
  uint64_t ignored_images;      /* ... with ARMS_DECISION_IMAGES_IGNORED */
  uint64_t reloads;             /* times that the weights were replaced */
  uint64_t errors[ARMS_STATUS_CAPACITY]; /* by arms_status_code: routes, scores and fused vectors that failed,
                                          * and encodings and reloads that failed once their arguments
                                          * were read; not BUFFER_TOO_SMALL */
  arms_histogram stages[ARMS_STAGE_CAPACITY]; /* by arms_stage; those of scoring, of encoding and of the
                                               * profiles of new candidates are among them */
  uint64_t reused_questions;    /* questions that came encoded, of queries that were routed or scored: hits of
                                 * the caller's own cache */
  uint64_t reused_images;       /* images that came encoded, of the same */
} arms_router_counters;

/* Says what a router has done. Nobody who routes waits for it; each number is one that was true
 * meanwhile. How often a candidate was chosen stands in arms_candidate_info.
 * Errors: INVALID_HANDLE, INVALID_ARGUMENT. */
arms_status arms_router_metrics(const arms_router *router, arms_router_counters *metrics,
                                arms_error **error);

/* The upper bound of a histogram's bucket in nanoseconds: 1,024, 1,536, 2,048, 3,072 and so on;
 * UINT64_MAX for the last one and beyond. */
uint64_t arms_histogram_bound(uint32_t bucket);

/* ------------------------------------------------------------------------------------------------
 * Candidates
 * --------------------------------------------------------------------------------------------- */

enum arms_candidate_flag {
  ARMS_CANDIDATE_DISABLED = 1,    /* kept, but never chosen or ranked, and scored only by name */
  ARMS_CANDIDATE_HAS_COST = 2,    /* `cost` is known */
  ARMS_CANDIDATE_HAS_LATENCY = 4, /* `latency` is known */
  /* What arms_candidates_update leaves as it is; of no use elsewhere. */
  ARMS_CANDIDATE_KEEP_ENABLED = 8,
  ARMS_CANDIDATE_KEEP_COST = 16,
  ARMS_CANDIDATE_KEEP_LATENCY = 32,
  ARMS_CANDIDATE_KEEP_TEMPERATURE = 64,
  ARMS_CANDIDATE_KEEP_BIAS = 128,
  ARMS_CANDIDATE_KEEP_MAX_IMAGES = 256
};

/* A VLM that can be chosen. It is described by a profile, a sentence that the text encoder embeds:
 * the library makes it from the structured fields (those that are not NULL; the name alone is the
 * paper's ablation), or takes `profile`, or is given the embedding itself. */
typedef struct arms_candidate {
  uint32_t struct_size;
  uint32_t flags;               /* of arms_candidate_flag */
  const char *name;             /* unique in its router; 1 to ARMS_NAME_CAPACITY - 1 bytes */
  const char *parameters;       /* "7B" */
  const char *architecture;     /* "ViT, MLP projector, decoder" */
  const char *language_model;   /* "Qwen2-7B" */
  const char *vision_model;     /* "ViT 675M" */
  const char *profile;          /* the whole sentence, in place of the four fields above */
  const float *embedding;       /* [embedding_count], in place of embedding the profile */
  uint64_t embedding_count;     /* d_t when `embedding` is given, else 0 */
  double cost;                  /* US dollars a query, when ARMS_CANDIDATE_HAS_COST */
  double latency;               /* milliseconds, when ARMS_CANDIDATE_HAS_LATENCY */
  float temperature;            /* T_j of the calibration, positive; 0: 1 */
  float bias;                   /* b_j of the calibration */
  int32_t max_images;           /* images it takes at most; 0: any number, -1: none */
  uint32_t router;              /* 0: in the first router's pool, 1: in the second's */
} arms_candidate;

/* Adds `count` candidates, all or none, as one new generation. Calls in flight finish on the old one.
 * Errors: ALREADY_EXISTS, LIMIT_EXCEEDED (they would take more than 2^28 numbers), NOT_FINITE, INVALID_TEXT,
 * INVALID_ARGUMENT, INVALID_HANDLE. */
arms_status arms_candidates_add(arms_router *router, const arms_candidate *candidates, size_t count,
                                arms_error **error);

/* Replaces flags, cost, latency, temperature, bias and max_images of the named candidates, all or
 * none, but for what a candidate's ARMS_CANDIDATE_KEEP_ flags keep: to change one field, keep the
 * others, which may have been calibrated, or replaced with the weights, since they were read. Profile
 * fields and embedding must be NULL: a candidate with another profile is another one. `router` is not
 * read.
 * Errors: NOT_FOUND, NOT_FINITE, INVALID_ARGUMENT, INVALID_HANDLE. */
arms_status arms_candidates_update(arms_router *router, const arms_candidate *candidates,
                                   size_t count, arms_error **error);

/* Removes the named candidates, all or none. Errors: NOT_FOUND, INVALID_ARGUMENT, INVALID_HANDLE. */
arms_status arms_candidates_remove(arms_router *router, const char *const *names, size_t count,
                                   arms_error **error);

/* Enables (`enabled` not 0) or disables the named candidates, all or none.
 * Errors: NOT_FOUND, INVALID_ARGUMENT, INVALID_HANDLE. */
arms_status arms_candidates_enable(arms_router *router, const char *const *names, size_t count,
                                   int32_t enabled, arms_error **error);

typedef struct arms_candidate_info {
  uint32_t struct_size;
  uint32_t flags;                 /* of arms_candidate_flag */
  char name[ARMS_NAME_CAPACITY];
  double cost;
  double latency;
  float temperature;              /* T_j */
  float bias;                     /* b_j */
  float beta;                     /* the learned offset beta_j of the scaled head */
  int32_t max_images;
  uint32_t router;                /* 0 or 1 */
  uint32_t reserved;
  uint64_t chosen;                /* routes that chose it, since it was added or the router opened */
} arms_candidate_info;

/* Lists the candidates in the order in which they were added, the first router's before the
 * second's. `candidates[0].struct_size` must be set when `capacity` is not 0. `count` receives how
 * many there are, `generation` (may be NULL) the generation that was listed.
 * Errors: BUFFER_TOO_SMALL, INVALID_ARGUMENT, INVALID_HANDLE. */
arms_status arms_candidates_list(const arms_router *router, arms_candidate_info *candidates,
                                 size_t capacity, size_t *count, uint64_t *generation,
                                 arms_error **error);

/* Writes a candidate's profile sentence and its NUL; `required` receives the bytes needed, NUL
 * included. A candidate that was added by its embedding has an empty profile unless one was given.
 * Errors: NOT_FOUND, BUFFER_TOO_SMALL, INVALID_ARGUMENT, INVALID_HANDLE. */
arms_status arms_candidate_profile(const arms_router *router, const char *name, char *buffer,
                                   size_t capacity, size_t *required, arms_error **error);

/* Writes a candidate's profile embedding m_j, [text_width]; `required` receives text_width.
 * Errors: NOT_FOUND, BUFFER_TOO_SMALL, INVALID_ARGUMENT, INVALID_HANDLE. */
arms_status arms_candidate_embedding(const arms_router *router, const char *name, float *embedding,
                                     size_t capacity, size_t *required, arms_error **error);

/* ------------------------------------------------------------------------------------------------
 * Inputs: questions and images
 * --------------------------------------------------------------------------------------------- */

enum arms_image_format {
  ARMS_IMAGE_ENCODED = 0,   /* `data` holds the bytes of a JPEG or PNG file */
  ARMS_IMAGE_PATH = 1,      /* `data` is the path of a JPEG or PNG file, `size` its length */
  ARMS_IMAGE_RGB8 = 2,      /* `data` holds rows of `stride` bytes, 3 bytes a pixel */
  ARMS_IMAGE_RGBA8 = 3,     /* 4 bytes a pixel; alpha is dropped, as Pillow's convert("RGB") does */
  ARMS_IMAGE_GRAY8 = 4,     /* 1 byte a pixel */
  ARMS_IMAGE_PREPARED = 5   /* `data` holds floats [3, image_size, image_size], normalised: within 1e6 of 0 */
};

enum arms_image_flag {
  /* Decode a JPEG at full size. Otherwise a large one is decoded at a reduced scale that keeps at
   * least twice the target size of the luminance, which is several times faster. */
  ARMS_IMAGE_EXACT = 1
};

/* An image as the caller has it. The data is only read during the call. */
typedef struct arms_image_input {
  uint32_t struct_size;
  uint32_t format;   /* of arms_image_format */
  uint32_t flags;    /* of arms_image_flag */
  uint32_t width;    /* pixels, for the raw formats */
  uint32_t height;   /* pixels, for the raw formats */
  uint32_t reserved; /* 0 */
  const void *data;
  size_t size;       /* bytes at `data`; for a path ARMS_NUL_TERMINATED is allowed */
  size_t stride;     /* bytes from row to row, for the raw formats; 0: rows follow one another */
} arms_image_input;

/* An encoded question: its pooled vector q_i. Immutable, and independent of the router's life. For
 * queries of every router that has the same text encoder. */
typedef struct arms_question arms_question;

/* An encoded image: its pooled vector g_i and, where the fusion needs them, its tokens X_i.
 * Immutable, and independent of the router's life. For queries of every router that has the same
 * image encoder. */
typedef struct arms_image arms_image;

/* What is asked: one question, given in one of three ways, and any number of images, given in one of
 * two ways. */
typedef struct arms_query {
  uint32_t struct_size;
  uint32_t image_count;
  const char *text;                    /* the question in UTF-8 */
  size_t text_length;                  /* bytes, or ARMS_NUL_TERMINATED */
  const int32_t *tokens;               /* or its token ids, [CLS] and [SEP] included */
  size_t token_count;
  const arms_question *question;       /* or what arms_question_encode() gave */
  const arms_image_input *images;      /* [image_count] */
  const arms_image *const *encoded_images; /* or [image_count], from arms_image_encode() */
} arms_query;

/* Encodes a question. Errors: INVALID_TEXT, NOT_FINITE (the model file's weights are damaged),
 * INVALID_ARGUMENT, INVALID_HANDLE. */
arms_status arms_question_encode(const arms_router *router, const char *text, size_t text_length,
                                 arms_question **question, arms_error **error);

/* Frees an encoded question. */
void arms_question_free(arms_question *question);

/* Writes the pooled vector q_i, [text_width]; `required` receives text_width.
 * Errors: BUFFER_TOO_SMALL, INVALID_ARGUMENT, INVALID_HANDLE. */
arms_status arms_question_embedding(const arms_question *question, float *embedding,
                                    size_t capacity, size_t *required, arms_error **error);

/* Decodes, prepares and encodes an image. By a router without an image encoder it is not looked at: the
 * encoded image has no embedding, which is good for routers of that kind.
 * Errors: INVALID_IMAGE, LIMIT_EXCEEDED, IO, NOT_FINITE, INVALID_ARGUMENT, INVALID_HANDLE. */
arms_status arms_image_encode(const arms_router *router, const arms_image_input *input,
                              arms_image **image, arms_error **error);

/* Frees an encoded image. */
void arms_image_free(arms_image *image);

/* Writes the pooled vector g_i, [image_width]; `required` receives image_width, or 0 if the router that
 * encoded the image has no image encoder.
 * Errors: BUFFER_TOO_SMALL, INVALID_ARGUMENT, INVALID_HANDLE. */
arms_status arms_image_embedding(const arms_image *image, float *embedding, size_t capacity,
                                 size_t *required, arms_error **error);

/* Writes the token ids of a text as the text encoder reads it, [CLS] and [SEP] included and
 * truncated to max_question_tokens. `count` receives their number, `total` (may be NULL) the number
 * before truncation. Errors: INVALID_TEXT, BUFFER_TOO_SMALL, INVALID_ARGUMENT, INVALID_HANDLE. */
arms_status arms_text_tokenize(const arms_router *router, const char *text, size_t text_length,
                               int32_t *tokens, size_t capacity, size_t *count, size_t *total,
                               arms_error **error);

/* Decodes, resizes, crops and normalises an image: floats [3, image_size, image_size]. `required`
 * receives their number. Errors: as arms_image_encode(), BUFFER_TOO_SMALL, and UNSUPPORTED by a router
 * without an image encoder. */
arms_status arms_image_prepare(const arms_router *router, const arms_image_input *input,
                               float *pixels, size_t capacity, size_t *required,
                               arms_error **error);

/* ------------------------------------------------------------------------------------------------
 * Routing
 * --------------------------------------------------------------------------------------------- */

enum arms_policy {
  /* The candidate with the highest confidence, of both pools when there are two. */
  ARMS_POLICY_CONFIDENCE = 0,
  /* The paper's Algorithm 1: stay in the first router's pool when its best confidence is above
   * theta, else compare with the second router's. When it stays, the second is not computed and the
   * ranked list ends with the first. */
  ARMS_POLICY_CASCADE = 1,
  /* The highest utility c_ij - lambda * cost_j - mu * latency_j. */
  ARMS_POLICY_UTILITY = 2
};

typedef struct arms_route_options {
  uint32_t struct_size;
  uint32_t policy;             /* of arms_policy */
  float theta;                 /* cascade: 0 to 1; 0: the model file's, or 0.5 */
  float abstain_below;         /* choose nobody when the chosen one's confidence is below; 0: never */
  double lambda;               /* utility: confidence a US dollar */
  double mu;                   /* utility: confidence a millisecond */
  double max_cost;             /* leave out candidates above it; 0: no ceiling (DBL_TRUE_MIN: leave those that
                                * cost nothing). A candidate whose cost is unknown is an error, unless it is not
                                * allowed anyway */
  double max_latency;          /* the same for the latency */
  const char *const *allowed;  /* [allowed_count] names to choose from; NULL: all */
  size_t allowed_count;
  const arms_router *second;   /* another file's router, whose candidates are the second pool, whatever the
                                * policy; NULL: the file's own */
} arms_route_options;

enum arms_decision_flag {
  ARMS_DECISION_ABSTAINED = 1,          /* no candidate was good enough; `name` is "" */
  ARMS_DECISION_QUESTION_TRUNCATED = 2, /* the question had more tokens than the encoder takes */
  ARMS_DECISION_SECOND_ROUTER = 4,      /* the second router's pool was computed */
  ARMS_DECISION_IMAGES_IGNORED = 8      /* the query has images, and a router that was computed has no
                                         * image encoder: it has decided as if there were none */
};

typedef struct arms_decision {
  uint32_t struct_size;
  uint32_t flags;                     /* of arms_decision_flag */
  char name[ARMS_NAME_CAPACITY];      /* the chosen candidate */
  float confidence;                   /* c_ij of the chosen one; of the best one when abstained */
  float utility;                      /* what the policy maximised */
  uint64_t generation;                /* of the weights and candidates of `router` */
  uint64_t ranked_count;              /* entries of the whole ranked list */
  uint32_t question_tokens;           /* tokens read, [CLS] and [SEP] included */
  uint32_t question_tokens_total;     /* tokens before truncation */
  uint32_t expert_count;              /* values in `gate` */
  uint32_t second_expert_count;       /* values in `second_gate`; 0 when not computed */
  float gate[ARMS_EXPERT_CAPACITY];        /* p_i: the gate's probabilities */
  float second_gate[ARMS_EXPERT_CAPACITY]; /* the same of the second router */
} arms_decision;

/* An entry of the ranked list, best first. */
typedef struct arms_ranked {
  uint32_t struct_size;
  uint32_t router;                /* 0 or 1: whose pool the candidate is in */
  char name[ARMS_NAME_CAPACITY];
  float confidence;               /* c_ij, calibrated */
  float logit;                    /* t_ij, not calibrated */
  float utility;                  /* what the list is sorted by */
  int32_t label;                  /* 1 when c_ij > 0.5, else 0 */
} arms_ranked;

/* Chooses a candidate for a query. `options` may be NULL.
 * `decision` must have its struct_size set. `ranked` receives the first `ranked_capacity` entries of
 * the ranked list (all of it, when decision->ranked_count is not larger); it may be NULL with
 * capacity 0, and `ranked[0].struct_size` must be set otherwise. Candidates that are disabled, not
 * allowed, above a ceiling, or that take fewer images than the query has, are not ranked. A name that the
 * pools of two files share stands in the list twice; ranked[0].router says which is the chosen one.
 * Errors: NO_CANDIDATES, MISSING_VALUE, NOT_FOUND (a name in `allowed`), those of the encodings,
 * INVALID_ARGUMENT, INVALID_HANDLE. */
arms_status arms_route(const arms_router *router, const arms_query *query,
                       const arms_route_options *options, arms_decision *decision,
                       arms_ranked *ranked, size_t ranked_capacity, arms_error **error);

enum arms_score_output {
  ARMS_SCORE_CONFIDENCE = 0, /* c_ij, calibrated */
  ARMS_SCORE_LOGIT = 1       /* t_ij */
};

typedef struct arms_score_options {
  uint32_t struct_size;
  uint32_t output;              /* of arms_score_output */
  const char *const *names;     /* [name_count] candidates, one a column; NULL: all enabled ones, in
                                 * the order of arms_candidates_list() */
  size_t name_count;
} arms_score_options;

/* Scores every query against every candidate: `scores` is [query_count, columns], row by row.
 * `queries[0].struct_size` is the stride. `columns` receives the number of columns and `generation`
 * (may be NULL) that of the candidates; `capacity` counts floats. `options` may be NULL.
 * Errors: as arms_route(), and BUFFER_TOO_SMALL. */
arms_status arms_score(const arms_router *router, const arms_query *queries, size_t query_count,
                       const arms_score_options *options, float *scores, size_t capacity,
                       size_t *columns, uint64_t *generation, arms_error **error);

/* Writes z, the fused vector of a query: question and images behind the gate, the experts and the
 * classifier's projection (Eq. 5), [shared_width], of length 1. Candidates are compared with it by
 * cosine, so that queries whose vectors are near one another are answered by the same candidates.
 * `number` says by which router of the file: 0, or 1 for the second. `required` receives the width.
 * Errors: BUFFER_TOO_SMALL, NOT_FOUND (no second router), those of the encodings, INVALID_ARGUMENT,
 * INVALID_HANDLE. */
arms_status arms_query_embedding(const arms_router *router, const arms_query *query, uint32_t number,
                                 float *embedding, size_t capacity, size_t *required,
                                 arms_error **error);

/* ------------------------------------------------------------------------------------------------
 * Training: data sets
 * --------------------------------------------------------------------------------------------- */

/* Samples to train on and to evaluate with: queries, and which candidates answered them correctly. It
 * only grows, holds copies of what it is given, and belongs to no router. */
typedef struct arms_dataset arms_dataset;

enum arms_outcome_flag {
  ARMS_OUTCOME_HAS_COST = 1 /* `cost` is known */
};

/* What a candidate's answer to a query was worth. */
typedef struct arms_outcome {
  uint32_t struct_size;
  uint32_t flags;         /* of arms_outcome_flag */
  const char *candidate;  /* its name; 1 to ARMS_NAME_CAPACITY - 1 bytes */
  int32_t label;          /* 1: it answered correctly, 0: it did not */
  float weight;           /* how much it counts, 1e-18 to 1e18; 0: 1 */
  double cost;            /* US dollars that the answer cost, when ARMS_OUTCOME_HAS_COST */
} arms_outcome;

/* A query and the outcomes that are known of it: a gateway's log knows only the candidate that it
 * called, a benchmark all of them. */
typedef struct arms_sample {
  uint32_t struct_size;
  uint32_t image_count;
  const char *text;               /* the question in UTF-8 */
  size_t text_length;             /* bytes, or ARMS_NUL_TERMINATED */
  const arms_image_input *images; /* [image_count] */
  const arms_outcome *outcomes;   /* [outcome_count], each candidate at most once */
  size_t outcome_count;           /* 1 or more */
} arms_sample;

/* Makes an empty data set. Errors: INVALID_ARGUMENT. */
arms_status arms_dataset_create(arms_dataset **dataset, arms_error **error);

/* Frees a data set. Calls that read it on other threads finish undisturbed. Its memory stays while a
 * trainer that is not freed has it among the last two data sets that it read. */
void arms_dataset_free(arms_dataset *dataset);

/* Adds `count` samples, all or none. `samples[0].struct_size` is the stride. Samples of one query,
 * which are those with the same bytes of the question and the same images given in the same way, are
 * joined: a log may be added row by row. Texts and the data of images are copied, an image that many
 * samples share once; of an image given as a path the path is copied, and the file read when the
 * image is encoded: once, and again when it was written anew.
 * Errors: ALREADY_EXISTS (a second outcome of a candidate for one query), NOT_FINITE, INVALID_TEXT,
 * INVALID_IMAGE, LIMIT_EXCEEDED, INVALID_ARGUMENT, INVALID_HANDLE. */
arms_status arms_dataset_add(arms_dataset *dataset, const arms_sample *samples, size_t count,
                             arms_error **error);

/* Counts queries, samples of one query once, and their outcomes (`outcome_count` may be NULL).
 * Errors: INVALID_ARGUMENT, INVALID_HANDLE. */
arms_status arms_dataset_count(const arms_dataset *dataset, size_t *count, size_t *outcome_count,
                               arms_error **error);

typedef struct arms_dataset_bytes {
  uint32_t struct_size;
  uint32_t reserved;
  uint64_t sample_bytes;  /* copies of questions, images and outcomes */
  uint64_t cache_bytes;   /* what frozen layers made of them, and prepared images; see
                           * arms_trainer_options */
} arms_dataset_bytes;

/* Says what memory a data set holds, in bytes. Errors: INVALID_ARGUMENT, INVALID_HANDLE. */
arms_status arms_dataset_memory(const arms_dataset *dataset, arms_dataset_bytes *memory,
                                arms_error **error);

/* ------------------------------------------------------------------------------------------------
 * Training: trainers
 * --------------------------------------------------------------------------------------------- */

/* Trains a router in this process, on copies of its weights in float32: the router goes on with its own
 * until arms_trainer_commit(). The head and what is learned of each candidate are always trained, the
 * encoders as far as the options say. What is frozen is encoded once for each query of a data set.
 *
 * A trainer works for one thread at a time: a call while another is in one, or from a callback of that
 * one, returns ARMS_ERROR_BUSY. Routing goes on beside it. The same weights, data, options and number
 * of threads give the same bits. In a process that was forked while another thread was in such a call
 * the trainer is lost: what would return BUSY returns UNSUPPORTED. */
typedef struct arms_trainer arms_trainer;

/* A number of layers: all of an encoder's, its embeddings included. */
#define ARMS_ALL_LAYERS UINT32_MAX

enum arms_trainer_flag {
  ARMS_TRAINER_BALANCE_CLASSES = 1, /* both labels count as much, whatever their numbers; a teacher's label
                                     * between them is a share of each */
  ARMS_TRAINER_BASE_RATES = 2,      /* offsets beta_j that are 0 begin at the log-odds of the candidate's
                                     * outcomes; of the scaled head */
  ARMS_TRAINER_BFLOAT16 = 4         /* the linear layers, but the gate's, multiply operands rounded to bfloat16,
                                     * forward and backward; sums, weights, moments and all else stay float32,
                                     * and so do validations. For CPUs whose arms_kernel_isa() is
                                     * "amx" or "avx512bf16"; others round, and multiply floats, which takes
                                     * longer than float32 */
};

/* How the learning rate goes on after the warm-up. */
enum arms_schedule {
  ARMS_SCHEDULE_CONSTANT = 0, /* at its peak, to the end */
  ARMS_SCHEDULE_COSINE = 1    /* along half a cosine, down to 0 */
};

/* Which linear layers of a transformer block have an adapter. */
enum arms_lora_target {
  ARMS_LORA_QUERY = 1,
  ARMS_LORA_KEY = 2,
  ARMS_LORA_VALUE = 4,
  ARMS_LORA_OUTPUT = 8, /* what the attention's heads are joined by */
  ARMS_LORA_UP = 16,    /* the first layer of the feed-forward network */
  ARMS_LORA_DOWN = 32   /* its second layer */
};

typedef struct arms_trainer_options {
  uint32_t struct_size;
  uint32_t flags;            /* of arms_trainer_flag */
  uint32_t router;           /* 0: the first router of the file, 1: the second of a cascade */
  uint32_t text_layers;      /* last blocks of the text encoder that are trained, or ARMS_ALL_LAYERS */
  uint32_t image_layers;     /* the same of the image encoder */
  uint32_t epochs;           /* passes over the training queries; 0: 2 */
  uint32_t batch_size;       /* queries of a step; 0: 64 */
  uint32_t micro_batch_size; /* queries that run through the layers together, a larger batch in several
                              * passes; 0: 256 when only the head is trained, else 16 */
  uint32_t schedule;         /* of arms_schedule */
  uint32_t warmup_steps;     /* steps over which the learning rate rises from 0 */
  uint32_t threads;          /* 0: as many as the router's */
  uint32_t reserved;         /* 0 */
  double learning_rate;      /* its peak; 0: 8e-5 */
  double weight_decay;       /* decoupled, of the matrices; 0: 0.01, below 0: none */
  double clip;               /* the largest norm of all gradients together; 0: no limit */
  uint64_t seed;             /* decides the order of the queries, and where adapters begin */
  uint64_t cache_bytes;      /* the most that is kept of what frozen layers made of queries, and of
                              * prepared images; what is beyond is made again in every epoch, with the
                              * same results; 0: 4,294,967,296 */
  double routing_weight;     /* gamma of the term -gamma sum_j softmax(tau t)_j y_j, the expected reward of
                              * choosing by the logits; 0: none, as in the paper */
  double routing_sharpness;  /* its tau; 0: 2 */
  double teacher_weight;     /* how much of a label, 0 to 1, is what kernel ridge regression makes of the
                              * outcomes of similar questions; 0: nothing, as in the paper. Of n queries
                              * it takes 4 n^2 bytes when a run begins, and of more than 20,000 the run
                              * fails with LIMIT_EXCEEDED */
  double teacher_ridge;      /* how much that smooths; 0: 10 */
  uint32_t lora_rank;        /* above 0: in place of the layers that `text_layers` and `image_layers` name,
                              * low-rank adapters of this rank are trained, W + (lora_alpha / lora_rank) B A
                              * for the weight W of a linear layer (LoRA). The blocks' other weights, what
                              * lies behind them and the embeddings stay. 0: the layers' own weights */
  uint32_t lora_targets;     /* of arms_lora_target; 0: all six */
  double lora_alpha;         /* 0: lora_rank */
} arms_trainer_options;

/* Makes a trainer for the router's present weights and candidates. `options` may be NULL. Candidates
 * that are added later are not trained.
 * Errors: NO_CANDIDATES, UNSUPPORTED (there is no OpenBLAS, or the encoder that would be trained is
 * shared with the other router of a cascade), INVALID_ARGUMENT, INVALID_HANDLE. */
arms_status arms_trainer_create(const arms_router *router, const arms_trainer_options *options,
                                arms_trainer **trainer, arms_error **error);

/* Frees a trainer. A call in flight on another thread finishes undisturbed; the buffers of
 * arms_trainer_parameters() and arms_trainer_gradients() end with the last of them. */
void arms_trainer_free(arms_trainer *trainer);

/* How well a router does on a data set. */
typedef struct arms_metrics {
  uint32_t struct_size;
  uint32_t reserved;
  uint64_t query_count;
  uint64_t outcome_count;
  double loss;         /* the mean binary cross-entropy, weighted by the outcomes' weights alone, whatever
                        * the trainer's options have a run minimise */
  double accuracy;     /* share of the outcomes that the sign of the logit predicts */
  double exact_match;  /* EM: share of the queries whose candidate of the highest logit, among those with
                        * a known outcome, answered correctly */
} arms_metrics;

/* How far a run is, after a step. */
typedef struct arms_progress {
  uint32_t struct_size;
  uint32_t epoch;                  /* from 0 */
  uint64_t step;                   /* steps made */
  uint64_t step_count;             /* steps of the whole run */
  double loss;                     /* of the last batch */
  double learning_rate;            /* of the last step */
  const arms_metrics *validation;  /* at the end of an epoch, if there is validation data, else NULL */
} arms_progress;

/* Called after every step, on the thread that called arms_trainer_run(). `progress` is valid until it
 * returns. 0 goes on, any other number cancels. */
typedef int32_t (*arms_progress_callback)(const arms_progress *progress, void *user_data);

typedef struct arms_run_options {
  uint32_t struct_size;
  uint32_t checkpoint_interval;    /* steps from one checkpoint to the next; 0: 100 */
  const arms_dataset *validation;  /* measured after every epoch; NULL or empty: nothing is */
  const char *checkpoint_path;     /* replaced by every checkpoint, in one step; NULL: none is written.
                                    * One more is written when the run ends or is cancelled */
} arms_run_options;

/* Trains on a data set, as it is when the call begins, for the epochs of the trainer's options.
 * `options` and `callback` may be NULL. A further run goes on with weights and moments, and begins the
 * course of the learning rate anew; the first one after arms_trainer_resume() goes on where the
 * checkpoint was written, to the same bits as a run that was not interrupted, also if another one failed
 * before its first step. On an error the trainer keeps what it learned before; the router is untouched in
 * any case.
 * Errors: CANCELLED, BUSY, NOT_FINITE (the loss is no number any more), NOT_FOUND (an outcome of a
 * candidate that is not trained), LIMIT_EXCEEDED, INVALID_IMAGE, IO, INVALID_ARGUMENT (no samples, or
 * other samples than the checkpoint's), INVALID_HANDLE. */
arms_status arms_trainer_run(arms_trainer *trainer, const arms_dataset *dataset,
                             const arms_run_options *options, arms_progress_callback callback,
                             void *user_data, arms_error **error);

/* Lists what the validations of the last run gave so far, one an epoch, also while it runs.
 * `metrics[0].struct_size` must be set when `capacity` is not 0. `count` receives how many there are.
 * Errors: BUFFER_TOO_SMALL, INVALID_ARGUMENT, INVALID_HANDLE. */
arms_status arms_trainer_metrics(const arms_trainer *trainer, arms_metrics *metrics, size_t capacity,
                                 size_t *count, arms_error **error);

/* Measures the trainer's present weights on a data set.
 * Errors: BUSY, NOT_FOUND, NOT_FINITE (the loss), LIMIT_EXCEEDED, INVALID_IMAGE, IO, INVALID_ARGUMENT,
 * INVALID_HANDLE. */
arms_status arms_trainer_evaluate(arms_trainer *trainer, const arms_dataset *dataset,
                                  arms_metrics *metrics, arms_error **error);

/* Replaces the router's weights and candidates by the trainer's in one step, as one new generation,
 * which `generation` (may be NULL) receives.
 * Calls in flight finish on the old ones. The router's present candidates stay, as enabled, priced,
 * limited and calibrated as they are; one that was added since the trainer was made is embedded anew. What
 * is learned of the others is what the trainer learned: a fit (arms_candidates_fit()) that was made since
 * the trainer was is forgotten, fit again. In a file of two routers the other's candidates stay as they
 * are. Training can go on, and be committed again.
 * Errors: BUSY, CONFLICT (the router's weights were replaced since), NOT_FINITE, INVALID_ARGUMENT (a
 * candidate cannot be kept), INVALID_HANDLE. The router is then as it was. */
arms_status arms_trainer_commit(arms_trainer *trainer, uint64_t *generation, arms_error **error);

enum arms_weight_type {
  ARMS_WEIGHT_UNCHANGED = 0, /* each matrix as it is in the router's file */
  ARMS_WEIGHT_F32 = 1,
  ARMS_WEIGHT_F16 = 2,
  ARMS_WEIGHT_BF16 = 3,
  ARMS_WEIGHT_INT8 = 4
};

/* Writes the router with the trainer's weights, and the candidates that the trainer was made with, as a
 * model file; the router itself is not changed. `type`, of arms_weight_type, is that of the trained
 * matrices. The file at `path` is replaced in one step, or left as it is.
 * Errors: BUSY, NOT_FINITE, UNSUPPORTED, IO, INVALID_ARGUMENT (adapters of some of query, key and value
 * alone cannot go from int8 to float or back), INVALID_HANDLE. */
arms_status arms_trainer_save(arms_trainer *trainer, const char *path, uint32_t type,
                              arms_error **error);

/* Writes what training with adapters changed as a small file: the adapters, and the head and the
 * candidates as they would stand in the router's file. arms_router_apply_adapter() adds it to the weights
 * that the trainer was made with. The file at `path` is replaced in one step, or left as it is.
 * Errors: BUSY, NOT_FINITE, UNSUPPORTED, IO, INVALID_ARGUMENT (the trainer has no adapters),
 * INVALID_HANDLE. */
arms_status arms_trainer_save_adapter(arms_trainer *trainer, const char *path, arms_error **error);

/* Writes all that is needed to go on with a run: weights, moments and place. Other data than the run's is
 * refused by the run that goes on, unless this one had no `checkpoint_path`. The file at `path` is replaced
 * in one step, or left as it is. Errors: BUSY, NOT_FINITE, IO, INVALID_ARGUMENT, INVALID_HANDLE. */
arms_status arms_trainer_checkpoint(arms_trainer *trainer, const char *path, arms_error **error);

/* Reads a checkpoint of a trainer with the same options, made for the same router. On an error the
 * trainer is as it was.
 * Errors: BUSY, IO, INVALID_MODEL, UNSUPPORTED, INVALID_ARGUMENT, INVALID_HANDLE. */
arms_status arms_trainer_resume(arms_trainer *trainer, const char *path, arms_error **error);

/* For training over several processes: compute the gradients of a share of each batch, exchange them,
 * apply what all agree on. */

/* Computes the gradients of the mean weighted loss of queries of a data set, which are numbered in the
 * order in which they were first added; `loss` (may be NULL) receives it. It is the loss of a run, with
 * the routing term; ARMS_TRAINER_BALANCE_CLASSES balances over the whole data set, whatever the queries
 * are, so that processes that share a batch must have the same data set.
 * Errors: UNSUPPORTED (the trainer has a `teacher_weight` or ARMS_TRAINER_BASE_RATES, which only a run
 * follows), BUSY, NOT_FOUND, LIMIT_EXCEEDED, INVALID_IMAGE, IO, INVALID_ARGUMENT, INVALID_HANDLE. */
arms_status arms_trainer_compute_gradients(arms_trainer *trainer, const arms_dataset *dataset,
                                           const size_t *queries, size_t query_count, double *loss,
                                           arms_error **error);

/* Changes the weights by one step of AdamW with the gradients as they are in the buffer. Nothing is
 * changed when a gradient is not finite.
 * Errors: BUSY, NOT_FINITE, INVALID_ARGUMENT, INVALID_HANDLE. */
arms_status arms_trainer_apply_gradients(arms_trainer *trainer, double learning_rate,
                                         arms_error **error);

/* The trained weights, all in one buffer, to be read and written between calls; valid until the trainer
 * is freed. Errors: INVALID_ARGUMENT, INVALID_HANDLE. */
arms_status arms_trainer_parameters(const arms_trainer *trainer, float **values, size_t *count,
                                    arms_error **error);

/* Their gradients, each in the place of its weight. As arms_trainer_parameters(). */
arms_status arms_trainer_gradients(const arms_trainer *trainer, float **values, size_t *count,
                                   arms_error **error);

/* Bytes of a tensor's name, its NUL included. */
#define ARMS_TENSOR_NAME_CAPACITY 64

/* Where a trained tensor lies in the buffers. */
typedef struct arms_tensor_range {
  uint32_t struct_size;
  uint32_t reserved;
  uint64_t offset;                      /* of its first number */
  uint64_t count;                       /* its numbers */
  char name[ARMS_TENSOR_NAME_CAPACITY]; /* in the model file */
} arms_tensor_range;

/* Lists the trained tensors in the order of the buffers; what lies between them is 0.
 * `ranges[0].struct_size` must be set when `capacity` is not 0. `count` receives how many there are.
 * Errors: BUFFER_TOO_SMALL, INVALID_ARGUMENT, INVALID_HANDLE. */
arms_status arms_trainer_layout(const arms_trainer *trainer, arms_tensor_range *ranges,
                                size_t capacity, size_t *count, arms_error **error);

/* ------------------------------------------------------------------------------------------------
 * Training: new candidates in a live router
 * --------------------------------------------------------------------------------------------- */

/* Fits the calibration of all candidates, T_j and b_j, to outcomes that no training has seen. Each one's is
 * drawn towards that of all candidates of its router together as if these were `strength` outcomes (0: 256);
 * one without outcomes takes the common one, and a router of a cascade none of whose candidates has an
 * outcome keeps its calibrations. Goes live as one new generation, which `generation` (may be NULL)
 * receives. A candidate that is added meanwhile keeps the calibration that it comes with.
 * Errors: NOT_FOUND (an outcome of an unknown candidate), CONFLICT (the router's weights or a candidate
 * were replaced meanwhile, or a candidate was fitted), those of the encodings, INVALID_ARGUMENT (no
 * samples), INVALID_HANDLE. The router is then as it was. */
arms_status arms_router_calibrate(arms_router *router, const arms_dataset *dataset, double strength,
                                  uint64_t *generation, arms_error **error);

/* Learns the named candidates' own weights, delta_j and beta_j, from few outcomes: 8 to some 1,000.
 * Everything that they share with others stays. The profile and the mean offset of the other candidates
 * count as much as `strength` outcomes (0: 8). What was learned of them before is forgotten. Goes live as
 * one new generation, which `generation` (may be NULL) receives.
 * Errors: NOT_FOUND (a name or an outcome of an unknown candidate, or one that was removed meanwhile),
 * CONFLICT (the router's weights or a named candidate were replaced meanwhile), those of the encodings,
 * INVALID_ARGUMENT (no samples, or a candidate without outcomes), INVALID_HANDLE. The router is then as it
 * was. */
arms_status arms_candidates_fit(arms_router *router, const char *const *names, size_t count,
                                const arms_dataset *dataset, double strength, uint64_t *generation,
                                arms_error **error);

typedef struct arms_extension_options {
  uint32_t struct_size;
  uint32_t reserved;                      /* 0 */
  const arms_trainer_options *training;   /* NULL: the defaults */
  const arms_dataset *replayed;           /* outcomes of old candidates to train on as well; NULL or empty:
                                           * none */
  const arms_dataset *held_out;           /* outcomes of old candidates that no training has seen, which
                                           * tell what is forgotten; NULL: nothing is checked */
  const arms_dataset *validation;         /* measured after every epoch; NULL or empty: nothing is */
  double replay_share;                    /* of replayed queries among those of the run, below 1; they are
                                           * drawn by the seed, and an outcome that the run's own data has too
                                           * counts once. 0: none, or a half when `replayed` is given */
  double distillation;                    /* what an old candidate's former confidence counts, of an
                                           * outcome, where none is known; 0: nothing */
  double tolerance;                       /* by how much exact match and accuracy of the old candidates may
                                           * fall on `held_out`; 0: 0.01, below 0: not at all */
} arms_extension_options;

typedef struct arms_extension_report {
  uint32_t struct_size;
  int32_t accepted;            /* 1: the new weights went live; 0: the old ones stay */
  uint64_t generation;         /* of the router */
  uint64_t held_out_count;     /* held-out queries with an outcome of an old candidate */
  double loss_before;          /* the old candidates on these, with the old weights: as in arms_metrics, but
                                * measured as they are routed to, by their calibrated confidences, of
                                * which those above 0.5 say yes, and the weights as they are stored */
  double accuracy_before;
  double exact_match_before;
  double loss_after;           /* and with the ones that go live if they are accepted */
  double accuracy_after;
  double exact_match_after;
} arms_extension_report;

/* Incremental training (Eq. 7): goes on with the training of a router on outcomes of new candidates, which
 * were added before and are routed to by their profiles alone meanwhile. `options` and `callback` may be
 * NULL; `report` may be NULL. The new weights go live in one step if the old candidates do as well on the
 * held-out data as the tolerance asks. Otherwise, and on an error, the router is as it was. Like a commit
 * it forgets a fit (arms_candidates_fit()) that is made while it runs.
 * Errors: those of arms_trainer_create(), arms_trainer_run() and arms_trainer_commit(), NOT_FOUND for a name
 * that is no candidate of this router or of any router in `held_out`, and INVALID_ARGUMENT for no name, a name
 * without an outcome in the data set, or held-out data without an outcome of an old candidate. */
arms_status arms_router_extend(arms_router *router, const char *const *names, size_t count,
                               const arms_dataset *dataset, const arms_extension_options *options,
                               arms_progress_callback callback, void *user_data,
                               arms_extension_report *report, arms_error **error);

/* Writes two routers as one model file, a cascade (Algorithm 1): `first` has the candidates that are asked
 * first, `second` the others. Encoders that both share, by their hashes, are written once. `theta` becomes
 * the file's default; 0: that of `first`. The file at `path` is replaced in one step, or left as it is.
 * Errors: ALREADY_EXISTS (a candidate of both), INVALID_MODEL (they do not fit into one file), IO,
 * INVALID_ARGUMENT (one of them is a cascade already), INVALID_HANDLE. */
arms_status arms_router_join(const arms_router *first, const arms_router *second, const char *path,
                             float theta, arms_error **error);

#ifdef __cplusplus
}
#endif

#endif /* ARMS_H */
