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
 *   function names, each may fail with OUT_OF_MEMORY or INTERNAL.
 * - Handles are opaque. Freeing NULL does nothing. A freed handle is detected when it is used again
 *   and answered with ARMS_ERROR_INVALID_HANDLE. What was made from a router stays valid after the
 *   router is freed.
 * - Every function may be called from any thread at any time, on the same handles as well.
 * - Structs begin with `struct_size`, which the caller sets to sizeof(the struct). They only grow at
 *   their end. In options and inputs zero means the default. In an array of structs the first
 *   element's `struct_size` is the stride and holds for all.
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
 * here, for at least one release.
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

/* Elements of arms_metrics.errors and arms_metrics.stages, and buckets of a histogram. */
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
  ARMS_ERROR_ALREADY_EXISTS = 4,    /* a candidate of that name exists already */
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
  ARMS_ERROR_INTERNAL = 17          /* a defect in the library; please report it */
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

/* The instruction set that the kernels use on this CPU: "avx512vnni", "avxvnni", "avx2", "neon" or
 * "scalar". Static storage. The environment variable ARMS_ISA, read once, can ask for a lesser one;
 * one that this CPU lacks is ignored. */
const char *arms_kernel_isa(void);

enum arms_log_level {
  ARMS_LOG_ERROR = 1, /* a call failed; the message begins with the function's name */
  ARMS_LOG_INFO = 2   /* a router was opened, or its weights were replaced */
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
                               * this process may use */
  uint32_t reserved;          /* 0 */
  uint64_t max_image_bytes;   /* largest encoded image; 0: 67,108,864 */
  uint64_t max_image_pixels;  /* largest image, width times height; 0: 100,000,000 */
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
  uint64_t weight_bytes;     /* weights held privately: copied or converted at load */
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
  ARMS_STAGE_TEXT = 3,     /* the text encoder, for those texts */
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
typedef struct arms_metrics {
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
  uint64_t errors[ARMS_STATUS_CAPACITY]; /* by arms_status_code: routes, scores, encodings and reloads
                                          * that failed */
  arms_histogram stages[ARMS_STAGE_CAPACITY]; /* by arms_stage; those of scoring, of encoding and of the
                                               * profiles of new candidates are among them */
} arms_metrics;

/* Says what a router has done. Nobody who routes waits for it; each number is one that was true
 * meanwhile. How often a candidate was chosen stands in arms_candidate_info.
 * Errors: INVALID_HANDLE, INVALID_ARGUMENT. */
arms_status arms_router_metrics(const arms_router *router, arms_metrics *metrics,
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
  ARMS_CANDIDATE_HAS_LATENCY = 4  /* `latency` is known */
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
 * Errors: ALREADY_EXISTS, NOT_FINITE, INVALID_TEXT, INVALID_ARGUMENT, INVALID_HANDLE. */
arms_status arms_candidates_add(arms_router *router, const arms_candidate *candidates, size_t count,
                                arms_error **error);

/* Replaces flags, cost, latency, temperature, bias and max_images of the named candidates, all or
 * none. Profile fields and embedding must be NULL: a candidate with another profile is another one.
 * `router` is not read.
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
  ARMS_IMAGE_PREPARED = 5   /* `data` holds floats [3, image_size, image_size], normalised */
};

enum arms_image_flag {
  /* Decode a JPEG at full size. Otherwise a large one is decoded at a reduced scale that keeps at
   * least twice the target size, which is several times faster. */
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

/* Encodes a question. Errors: INVALID_TEXT, INVALID_ARGUMENT, INVALID_HANDLE. */
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
  double max_cost;             /* leave out candidates above it; 0: no ceiling. A candidate whose
                                * cost is unknown is an error, unless it is not allowed anyway */
  double max_latency;          /* the same for the latency */
  const char *const *allowed;  /* [allowed_count] names to choose from; NULL: all */
  size_t allowed_count;
  const arms_router *second;   /* cascade over two files: the second router; NULL: the file's own */
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
  uint64_t generation;                /* of the weights and candidates that decided */
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
 * allowed, above a ceiling, or that take fewer images than the query has, are not ranked.
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

#ifdef __cplusplus
}
#endif

#endif /* ARMS_H */
