package arms

/*
#include <arms.h>
*/
import "C"

import (
	"context"
	"math"
	"runtime"
	"sync/atomic"
)

// Query is what is asked: one question, given in one of three ways, and any number of images, given
// in one of two ways.
type Query struct {
	Question        string           // the question in UTF-8
	Tokens          []int32          // or its token ids, [CLS] and [SEP] included
	EncodedQuestion *EncodedQuestion // or what EncodeQuestion gave

	Images        []Image         // images
	EncodedImages []*EncodedImage // or what EncodeImage gave
}

// EncodedQuestion is an encoded question: its pooled vector q_i, for queries of every router that has
// the same text encoder. It is immutable and independent of the router's life.
type EncodedQuestion struct {
	handle *C.arms_question
	closed atomic.Bool
}

// EncodedImage is an encoded image: its pooled vector g_i and, where the fusion needs them, its
// tokens X_i, for queries of every router that has the same image encoder. It is immutable and
// independent of the router's life.
type EncodedImage struct {
	handle *C.arms_image
	closed atomic.Bool
}

// EncodeQuestion encodes a question, for several queries about it.
//
// Errors: [ErrInvalidText], [ErrInvalidHandle], and those of ctx.
func (r *Router) EncodeQuestion(ctx context.Context, question string) (*EncodedQuestion, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	defer runtime.KeepAlive(r)
	var a arguments
	defer a.release()
	encoded := &EncodedQuestion{}
	var cause *C.arms_error
	status := C.arms_question_encode(
		r.handle, a.text(question), C.size_t(len(question)), &encoded.handle, &cause)
	if err := check(status, &cause); err != nil {
		return nil, err
	}
	runtime.SetFinalizer(encoded, (*EncodedQuestion).Close)
	return encoded, nil
}

// Close frees the encoded question. The result is always nil, also of a second Close.
func (q *EncodedQuestion) Close() error {
	if !q.closed.Swap(true) {
		runtime.SetFinalizer(q, nil)
		C.arms_question_free(q.handle)
	}
	return nil
}

// Embedding returns the pooled vector q_i, [TextWidth].
//
// Errors: [ErrInvalidHandle].
func (q *EncodedQuestion) Embedding() ([]float32, error) {
	defer runtime.KeepAlive(q)
	return filled(func(
		buffer *float32, capacity C.size_t, count *C.size_t, cause **C.arms_error,
	) C.arms_status {
		return C.arms_question_embedding(q.handle, (*C.float)(buffer), capacity, count, cause)
	})
}

// EncodeImage decodes, prepares and encodes an image, for several queries about it.
//
// Errors: [ErrInvalidImage], [ErrLimitExceeded], [ErrIO], [ErrNotFinite], [ErrInvalidArgument],
// [ErrInvalidHandle], and those of ctx.
func (r *Router) EncodeImage(ctx context.Context, image Image) (*EncodedImage, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	defer runtime.KeepAlive(r)
	var a arguments
	defer a.release()
	input := a.images([]Image{image})
	if a.err != nil {
		return nil, a.err
	}
	encoded := &EncodedImage{}
	var cause *C.arms_error
	status := C.arms_image_encode(r.handle, input, &encoded.handle, &cause)
	if err := check(status, &cause); err != nil {
		return nil, err
	}
	runtime.SetFinalizer(encoded, (*EncodedImage).Close)
	return encoded, nil
}

// Close frees the encoded image. The result is always nil, also of a second Close.
func (i *EncodedImage) Close() error {
	if !i.closed.Swap(true) {
		runtime.SetFinalizer(i, nil)
		C.arms_image_free(i.handle)
	}
	return nil
}

// Embedding returns the pooled vector g_i, [ImageWidth].
//
// Errors: [ErrInvalidHandle].
func (i *EncodedImage) Embedding() ([]float32, error) {
	defer runtime.KeepAlive(i)
	return filled(func(
		buffer *float32, capacity C.size_t, count *C.size_t, cause **C.arms_error,
	) C.arms_status {
		return C.arms_image_embedding(i.handle, (*C.float)(buffer), capacity, count, cause)
	})
}

// Tokenize returns the token ids of a text as the text encoder reads it, [CLS] and [SEP] included and
// truncated to MaxQuestionTokens, and their number before truncation.
//
// Errors: [ErrInvalidText], [ErrInvalidHandle].
func (r *Router) Tokenize(text string) (tokens []int32, total int, err error) {
	defer runtime.KeepAlive(r)
	var a arguments
	defer a.release()
	given := a.text(text)
	var before C.size_t
	tokens, err = filled(func(
		buffer *int32, capacity C.size_t, count *C.size_t, cause **C.arms_error,
	) C.arms_status {
		return C.arms_text_tokenize(r.handle, given, C.size_t(len(text)),
			(*C.int32_t)(buffer), capacity, count, &before, cause)
	})
	return tokens, int(before), err
}

// Prepare decodes, resizes, crops and normalises an image: floats [3, ImageSize, ImageSize].
//
// Errors: as [Router.EncodeImage], and [ErrUnsupported] by a router without an image encoder.
func (r *Router) Prepare(ctx context.Context, image Image) ([]float32, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	defer runtime.KeepAlive(r)
	var a arguments
	defer a.release()
	input := a.images([]Image{image})
	if a.err != nil {
		return nil, a.err
	}
	return filled(func(
		buffer *float32, capacity C.size_t, count *C.size_t, cause **C.arms_error,
	) C.arms_status {
		return C.arms_image_prepare(r.handle, input, (*C.float)(buffer), capacity, count, cause)
	})
}

// query fills a struct. The query must be kept alive during the call, for the encoded question and
// images that it holds.
func (a *arguments) query(slot *C.arms_query, query *Query) {
	slot.struct_size = C.sizeof_arms_query
	if query.Question != "" || (len(query.Tokens) == 0 && query.EncodedQuestion == nil) {
		slot.text = a.text(query.Question)
		slot.text_length = C.size_t(len(query.Question))
	}
	slot.tokens = (*C.int32_t)(numbers(a, query.Tokens))
	slot.token_count = C.size_t(len(query.Tokens))
	if query.EncodedQuestion != nil {
		a.made("a query's EncodedQuestion", query.EncodedQuestion.handle != nil)
		slot.question = query.EncodedQuestion.handle
	}
	slot.images = a.images(query.Images)
	slot.encoded_images = a.encodedImages(query.EncodedImages)
	switch {
	case len(query.Images) > 0 && len(query.EncodedImages) > 0:
		a.fail("a query has both Images and EncodedImages; give one of them")
	case len(query.Images) > math.MaxUint32 || len(query.EncodedImages) > math.MaxUint32:
		a.fail("a query has more images than 32 bits count")
	}
	slot.image_count = C.uint32_t(len(query.Images) + len(query.EncodedImages))
}

// encodedImages returns an array of handles, or NULL when there are none.
func (a *arguments) encodedImages(images []*EncodedImage) **C.arms_image {
	if len(images) == 0 {
		return nil
	}
	return structs(a, images, func(slot **C.arms_image, image **EncodedImage) {
		if *image == nil {
			a.fail("a query has an EncodedImage that is nil")
		} else {
			*slot = (*image).handle
		}
	})
}

// EmbedQuery returns z, the fused vector that candidates are compared with (Eq. 5), [SharedWidth], of
// length 1. number says by which router of the file: 0, or 1 for the second of a cascade.
//
// Errors: [ErrNotFound] (no second router), [ErrInvalidArgument], [ErrInvalidText], those of
// [Router.EncodeImage], and those of ctx.
func (r *Router) EmbedQuery(ctx context.Context, query Query, number int) ([]float32, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	defer runtime.KeepAlive(r)
	defer runtime.KeepAlive(&query)
	var a arguments
	defer a.release()
	asked := structs(&a, []Query{query}, a.query)
	by := a.uint32("the router's number", number)
	if a.err != nil {
		return nil, a.err
	}
	return filled(func(
		buffer *float32, capacity C.size_t, count *C.size_t, cause **C.arms_error,
	) C.arms_status {
		return C.arms_query_embedding(
			r.handle, asked, by, (*C.float)(buffer), capacity, count, cause)
	})
}
