/* The layout of the ABI, as numbers.
 *
 * Every size, offset and value of arms.h stands here once more. A change of the header that would
 * break a program built against an earlier one does not compile. Fields may be added at the end of a
 * struct that begins with struct_size, together with a new SIZE and OFFSET here. */
#include "../../include/arms.h"

#define SIZE(type, bytes) _Static_assert(sizeof(type) == (bytes), "the size of " #type " changed")
#define OFFSET(type, field, bytes) \
  _Static_assert(offsetof(type, field) == (bytes), "the offset of " #type "." #field " changed")
#define VALUE(name, number) _Static_assert((name) == (number), "the value of " #name " changed")

/* The ABI is defined for 64-bit targets with IEEE 754 floats. */
SIZE(void *, 8);
SIZE(size_t, 8);
SIZE(float, 4);
SIZE(double, 8);
SIZE(arms_status, 4);

VALUE(ARMS_ABI_VERSION, 1);
VALUE(ARMS_NUL_TERMINATED, UINT64_MAX);
VALUE(ARMS_NAME_CAPACITY, 96);
VALUE(ARMS_EXPERT_CAPACITY, 32);
VALUE(ARMS_STATUS_CAPACITY, 32);
VALUE(ARMS_STAGE_CAPACITY, 8);
VALUE(ARMS_HISTOGRAM_BUCKETS, 48);
VALUE(ARMS_ALL_LAYERS, UINT32_MAX);
VALUE(ARMS_TENSOR_NAME_CAPACITY, 64);

SIZE(arms_open_options, 32);
OFFSET(arms_open_options, struct_size, 0);
OFFSET(arms_open_options, flags, 4);
OFFSET(arms_open_options, threads, 8);
OFFSET(arms_open_options, reserved, 12);
OFFSET(arms_open_options, max_image_bytes, 16);
OFFSET(arms_open_options, max_image_pixels, 24);

SIZE(arms_reload_options, 8);
OFFSET(arms_reload_options, struct_size, 0);
OFFSET(arms_reload_options, flags, 4);

SIZE(arms_router_info, 72);
OFFSET(arms_router_info, struct_size, 0);
OFFSET(arms_router_info, fusion, 4);
OFFSET(arms_router_info, head, 8);
OFFSET(arms_router_info, expert_count, 12);
OFFSET(arms_router_info, text_width, 16);
OFFSET(arms_router_info, image_width, 20);
OFFSET(arms_router_info, patch_width, 24);
OFFSET(arms_router_info, image_tokens, 28);
OFFSET(arms_router_info, image_size, 32);
OFFSET(arms_router_info, max_images, 36);
OFFSET(arms_router_info, max_question_tokens, 40);
OFFSET(arms_router_info, shared_width, 44);
OFFSET(arms_router_info, router_count, 48);
OFFSET(arms_router_info, threads, 52);
OFFSET(arms_router_info, candidate_count, 56);
OFFSET(arms_router_info, generation, 64);

SIZE(arms_memory, 40);
OFFSET(arms_memory, struct_size, 0);
OFFSET(arms_memory, reserved, 4);
OFFSET(arms_memory, mapped_bytes, 8);
OFFSET(arms_memory, weight_bytes, 16);
OFFSET(arms_memory, candidate_bytes, 24);
OFFSET(arms_memory, scratch_bytes, 32);

SIZE(arms_histogram, 400);
OFFSET(arms_histogram, count, 0);
OFFSET(arms_histogram, nanoseconds, 8);
OFFSET(arms_histogram, buckets, 16);

SIZE(arms_router_counters, 3544);
OFFSET(arms_router_counters, struct_size, 0);
OFFSET(arms_router_counters, stage_count, 4);
OFFSET(arms_router_counters, routes, 8);
OFFSET(arms_router_counters, scores, 16);
OFFSET(arms_router_counters, scored_queries, 24);
OFFSET(arms_router_counters, abstentions, 32);
OFFSET(arms_router_counters, second_router, 40);
OFFSET(arms_router_counters, truncated_questions, 48);
OFFSET(arms_router_counters, ignored_images, 56);
OFFSET(arms_router_counters, reloads, 64);
OFFSET(arms_router_counters, errors, 72);
OFFSET(arms_router_counters, stages, 328);
OFFSET(arms_router_counters, reused_questions, 3528);
OFFSET(arms_router_counters, reused_images, 3536);

SIZE(arms_candidate, 104);
OFFSET(arms_candidate, struct_size, 0);
OFFSET(arms_candidate, flags, 4);
OFFSET(arms_candidate, name, 8);
OFFSET(arms_candidate, parameters, 16);
OFFSET(arms_candidate, architecture, 24);
OFFSET(arms_candidate, language_model, 32);
OFFSET(arms_candidate, vision_model, 40);
OFFSET(arms_candidate, profile, 48);
OFFSET(arms_candidate, embedding, 56);
OFFSET(arms_candidate, embedding_count, 64);
OFFSET(arms_candidate, cost, 72);
OFFSET(arms_candidate, latency, 80);
OFFSET(arms_candidate, temperature, 88);
OFFSET(arms_candidate, bias, 92);
OFFSET(arms_candidate, max_images, 96);
OFFSET(arms_candidate, router, 100);

SIZE(arms_candidate_info, 152);
OFFSET(arms_candidate_info, struct_size, 0);
OFFSET(arms_candidate_info, flags, 4);
OFFSET(arms_candidate_info, name, 8);
OFFSET(arms_candidate_info, cost, 104);
OFFSET(arms_candidate_info, latency, 112);
OFFSET(arms_candidate_info, temperature, 120);
OFFSET(arms_candidate_info, bias, 124);
OFFSET(arms_candidate_info, beta, 128);
OFFSET(arms_candidate_info, max_images, 132);
OFFSET(arms_candidate_info, router, 136);
OFFSET(arms_candidate_info, reserved, 140);
OFFSET(arms_candidate_info, chosen, 144);

SIZE(arms_image_input, 48);
OFFSET(arms_image_input, struct_size, 0);
OFFSET(arms_image_input, format, 4);
OFFSET(arms_image_input, flags, 8);
OFFSET(arms_image_input, width, 12);
OFFSET(arms_image_input, height, 16);
OFFSET(arms_image_input, reserved, 20);
OFFSET(arms_image_input, data, 24);
OFFSET(arms_image_input, size, 32);
OFFSET(arms_image_input, stride, 40);

SIZE(arms_query, 64);
OFFSET(arms_query, struct_size, 0);
OFFSET(arms_query, image_count, 4);
OFFSET(arms_query, text, 8);
OFFSET(arms_query, text_length, 16);
OFFSET(arms_query, tokens, 24);
OFFSET(arms_query, token_count, 32);
OFFSET(arms_query, question, 40);
OFFSET(arms_query, images, 48);
OFFSET(arms_query, encoded_images, 56);

SIZE(arms_route_options, 72);
OFFSET(arms_route_options, struct_size, 0);
OFFSET(arms_route_options, policy, 4);
OFFSET(arms_route_options, theta, 8);
OFFSET(arms_route_options, abstain_below, 12);
OFFSET(arms_route_options, lambda, 16);
OFFSET(arms_route_options, mu, 24);
OFFSET(arms_route_options, max_cost, 32);
OFFSET(arms_route_options, max_latency, 40);
OFFSET(arms_route_options, allowed, 48);
OFFSET(arms_route_options, allowed_count, 56);
OFFSET(arms_route_options, second, 64);

SIZE(arms_decision, 400);
OFFSET(arms_decision, struct_size, 0);
OFFSET(arms_decision, flags, 4);
OFFSET(arms_decision, name, 8);
OFFSET(arms_decision, confidence, 104);
OFFSET(arms_decision, utility, 108);
OFFSET(arms_decision, generation, 112);
OFFSET(arms_decision, ranked_count, 120);
OFFSET(arms_decision, question_tokens, 128);
OFFSET(arms_decision, question_tokens_total, 132);
OFFSET(arms_decision, expert_count, 136);
OFFSET(arms_decision, second_expert_count, 140);
OFFSET(arms_decision, gate, 144);
OFFSET(arms_decision, second_gate, 272);

SIZE(arms_ranked, 120);
OFFSET(arms_ranked, struct_size, 0);
OFFSET(arms_ranked, router, 4);
OFFSET(arms_ranked, name, 8);
OFFSET(arms_ranked, confidence, 104);
OFFSET(arms_ranked, logit, 108);
OFFSET(arms_ranked, utility, 112);
OFFSET(arms_ranked, label, 116);

SIZE(arms_score_options, 24);
OFFSET(arms_score_options, struct_size, 0);
OFFSET(arms_score_options, output, 4);
OFFSET(arms_score_options, names, 8);
OFFSET(arms_score_options, name_count, 16);

SIZE(arms_outcome, 32);
OFFSET(arms_outcome, struct_size, 0);
OFFSET(arms_outcome, flags, 4);
OFFSET(arms_outcome, candidate, 8);
OFFSET(arms_outcome, label, 16);
OFFSET(arms_outcome, weight, 20);
OFFSET(arms_outcome, cost, 24);

SIZE(arms_sample, 48);
OFFSET(arms_sample, struct_size, 0);
OFFSET(arms_sample, image_count, 4);
OFFSET(arms_sample, text, 8);
OFFSET(arms_sample, text_length, 16);
OFFSET(arms_sample, images, 24);
OFFSET(arms_sample, outcomes, 32);
OFFSET(arms_sample, outcome_count, 40);

SIZE(arms_dataset_bytes, 24);
OFFSET(arms_dataset_bytes, struct_size, 0);
OFFSET(arms_dataset_bytes, reserved, 4);
OFFSET(arms_dataset_bytes, sample_bytes, 8);
OFFSET(arms_dataset_bytes, cache_bytes, 16);

SIZE(arms_extension_options, 64);
OFFSET(arms_extension_options, struct_size, 0);
OFFSET(arms_extension_options, reserved, 4);
OFFSET(arms_extension_options, training, 8);
OFFSET(arms_extension_options, replayed, 16);
OFFSET(arms_extension_options, held_out, 24);
OFFSET(arms_extension_options, validation, 32);
OFFSET(arms_extension_options, replay_share, 40);
OFFSET(arms_extension_options, distillation, 48);
OFFSET(arms_extension_options, tolerance, 56);

SIZE(arms_extension_report, 72);
OFFSET(arms_extension_report, struct_size, 0);
OFFSET(arms_extension_report, accepted, 4);
OFFSET(arms_extension_report, generation, 8);
OFFSET(arms_extension_report, held_out_count, 16);
OFFSET(arms_extension_report, loss_before, 24);
OFFSET(arms_extension_report, accuracy_before, 32);
OFFSET(arms_extension_report, exact_match_before, 40);
OFFSET(arms_extension_report, loss_after, 48);
OFFSET(arms_extension_report, accuracy_after, 56);
OFFSET(arms_extension_report, exact_match_after, 64);

SIZE(arms_trainer_options, 136);
OFFSET(arms_trainer_options, struct_size, 0);
OFFSET(arms_trainer_options, flags, 4);
OFFSET(arms_trainer_options, router, 8);
OFFSET(arms_trainer_options, text_layers, 12);
OFFSET(arms_trainer_options, image_layers, 16);
OFFSET(arms_trainer_options, epochs, 20);
OFFSET(arms_trainer_options, batch_size, 24);
OFFSET(arms_trainer_options, micro_batch_size, 28);
OFFSET(arms_trainer_options, schedule, 32);
OFFSET(arms_trainer_options, warmup_steps, 36);
OFFSET(arms_trainer_options, threads, 40);
OFFSET(arms_trainer_options, reserved, 44);
OFFSET(arms_trainer_options, learning_rate, 48);
OFFSET(arms_trainer_options, weight_decay, 56);
OFFSET(arms_trainer_options, clip, 64);
OFFSET(arms_trainer_options, seed, 72);
OFFSET(arms_trainer_options, cache_bytes, 80);
OFFSET(arms_trainer_options, routing_weight, 88);
OFFSET(arms_trainer_options, routing_sharpness, 96);
OFFSET(arms_trainer_options, teacher_weight, 104);
OFFSET(arms_trainer_options, teacher_ridge, 112);
OFFSET(arms_trainer_options, lora_rank, 120);
OFFSET(arms_trainer_options, lora_targets, 124);
OFFSET(arms_trainer_options, lora_alpha, 128);

SIZE(arms_metrics, 48);
OFFSET(arms_metrics, struct_size, 0);
OFFSET(arms_metrics, reserved, 4);
OFFSET(arms_metrics, query_count, 8);
OFFSET(arms_metrics, outcome_count, 16);
OFFSET(arms_metrics, loss, 24);
OFFSET(arms_metrics, accuracy, 32);
OFFSET(arms_metrics, exact_match, 40);

SIZE(arms_progress, 48);
OFFSET(arms_progress, struct_size, 0);
OFFSET(arms_progress, epoch, 4);
OFFSET(arms_progress, step, 8);
OFFSET(arms_progress, step_count, 16);
OFFSET(arms_progress, loss, 24);
OFFSET(arms_progress, learning_rate, 32);
OFFSET(arms_progress, validation, 40);

SIZE(arms_run_options, 24);
OFFSET(arms_run_options, struct_size, 0);
OFFSET(arms_run_options, checkpoint_interval, 4);
OFFSET(arms_run_options, validation, 8);
OFFSET(arms_run_options, checkpoint_path, 16);

SIZE(arms_tensor_range, 88);
OFFSET(arms_tensor_range, struct_size, 0);
OFFSET(arms_tensor_range, reserved, 4);
OFFSET(arms_tensor_range, offset, 8);
OFFSET(arms_tensor_range, count, 16);
OFFSET(arms_tensor_range, name, 24);

VALUE(ARMS_OK, 0);
VALUE(ARMS_ERROR_INVALID_ARGUMENT, 1);
VALUE(ARMS_ERROR_INVALID_HANDLE, 2);
VALUE(ARMS_ERROR_NOT_FOUND, 3);
VALUE(ARMS_ERROR_ALREADY_EXISTS, 4);
VALUE(ARMS_ERROR_IO, 5);
VALUE(ARMS_ERROR_INVALID_MODEL, 6);
VALUE(ARMS_ERROR_INVALID_IMAGE, 7);
VALUE(ARMS_ERROR_INVALID_TEXT, 8);
VALUE(ARMS_ERROR_NOT_FINITE, 9);
VALUE(ARMS_ERROR_LIMIT_EXCEEDED, 10);
VALUE(ARMS_ERROR_OUT_OF_MEMORY, 11);
VALUE(ARMS_ERROR_UNSUPPORTED, 12);
VALUE(ARMS_ERROR_NO_CANDIDATES, 13);
VALUE(ARMS_ERROR_MISSING_VALUE, 14);
VALUE(ARMS_ERROR_BUFFER_TOO_SMALL, 15);
VALUE(ARMS_ERROR_CANCELLED, 16);
VALUE(ARMS_ERROR_INTERNAL, 17);
VALUE(ARMS_ERROR_BUSY, 18);
VALUE(ARMS_ERROR_CONFLICT, 19);

VALUE(ARMS_OPEN_COPY, 1);
VALUE(ARMS_RELOAD_KEEP_CANDIDATES, 1);

VALUE(ARMS_LOG_ERROR, 1);
VALUE(ARMS_LOG_INFO, 2);

VALUE(ARMS_STAGE_ROUTE, 0);
VALUE(ARMS_STAGE_TOKENIZE, 1);
VALUE(ARMS_STAGE_DECODE, 2);
VALUE(ARMS_STAGE_TEXT, 3);
VALUE(ARMS_STAGE_IMAGE, 4);
VALUE(ARMS_STAGE_HEAD, 5);

VALUE(ARMS_FUSION_POOLED, 1);
VALUE(ARMS_FUSION_PATCHES, 2);
VALUE(ARMS_FUSION_CONCAT, 3);

VALUE(ARMS_HEAD_PAPER, 1);
VALUE(ARMS_HEAD_SCALED, 2);

VALUE(ARMS_CANDIDATE_DISABLED, 1);
VALUE(ARMS_CANDIDATE_HAS_COST, 2);
VALUE(ARMS_CANDIDATE_HAS_LATENCY, 4);
VALUE(ARMS_CANDIDATE_KEEP_ENABLED, 8);
VALUE(ARMS_CANDIDATE_KEEP_COST, 16);
VALUE(ARMS_CANDIDATE_KEEP_LATENCY, 32);
VALUE(ARMS_CANDIDATE_KEEP_TEMPERATURE, 64);
VALUE(ARMS_CANDIDATE_KEEP_BIAS, 128);
VALUE(ARMS_CANDIDATE_KEEP_MAX_IMAGES, 256);

VALUE(ARMS_IMAGE_ENCODED, 0);
VALUE(ARMS_IMAGE_PATH, 1);
VALUE(ARMS_IMAGE_RGB8, 2);
VALUE(ARMS_IMAGE_RGBA8, 3);
VALUE(ARMS_IMAGE_GRAY8, 4);
VALUE(ARMS_IMAGE_PREPARED, 5);

VALUE(ARMS_IMAGE_EXACT, 1);

VALUE(ARMS_POLICY_CONFIDENCE, 0);
VALUE(ARMS_POLICY_CASCADE, 1);
VALUE(ARMS_POLICY_UTILITY, 2);

VALUE(ARMS_DECISION_ABSTAINED, 1);
VALUE(ARMS_DECISION_QUESTION_TRUNCATED, 2);
VALUE(ARMS_DECISION_SECOND_ROUTER, 4);
VALUE(ARMS_DECISION_IMAGES_IGNORED, 8);

VALUE(ARMS_SCORE_CONFIDENCE, 0);
VALUE(ARMS_SCORE_LOGIT, 1);

VALUE(ARMS_OUTCOME_HAS_COST, 1);

VALUE(ARMS_TRAINER_BALANCE_CLASSES, 1);
VALUE(ARMS_TRAINER_BASE_RATES, 2);
VALUE(ARMS_TRAINER_BFLOAT16, 4);

VALUE(ARMS_SCHEDULE_CONSTANT, 0);
VALUE(ARMS_SCHEDULE_COSINE, 1);

VALUE(ARMS_LORA_QUERY, 1);
VALUE(ARMS_LORA_KEY, 2);
VALUE(ARMS_LORA_VALUE, 4);
VALUE(ARMS_LORA_OUTPUT, 8);
VALUE(ARMS_LORA_UP, 16);
VALUE(ARMS_LORA_DOWN, 32);

VALUE(ARMS_WEIGHT_UNCHANGED, 0);
VALUE(ARMS_WEIGHT_F32, 1);
VALUE(ARMS_WEIGHT_F16, 2);
VALUE(ARMS_WEIGHT_BF16, 3);
VALUE(ARMS_WEIGHT_INT8, 4);
