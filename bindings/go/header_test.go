package arms

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// The package's constants have the values that the header gives to theirs.
func TestConstantsMatchTheHeader(t *testing.T) {
	header, err := os.ReadFile("../../include/arms.h")
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]int{}
	for _, match := range regexp.MustCompile(`\b(ARMS_[A-Z0-9_]+) = (\d+)\b`).FindAllSubmatch(header, -1) {
		values[string(match[1])], _ = strconv.Atoi(string(match[2]))
	}
	for name, got := range map[string]int{
		"ARMS_FUSION_POOLED":     int(FusionPooled),
		"ARMS_FUSION_PATCHES":    int(FusionPatches),
		"ARMS_FUSION_CONCAT":     int(FusionConcat),
		"ARMS_HEAD_PAPER":        int(HeadPaper),
		"ARMS_HEAD_SCALED":       int(HeadScaled),
		"ARMS_POLICY_CONFIDENCE": int(PolicyConfidence),
		"ARMS_POLICY_CASCADE":    int(PolicyCascade),
		"ARMS_POLICY_UTILITY":    int(PolicyUtility),
		"ARMS_SCORE_CONFIDENCE":  int(ScoreConfidence),
		"ARMS_SCORE_LOGIT":       int(ScoreLogit),
		"ARMS_SCHEDULE_CONSTANT": int(ScheduleConstant),
		"ARMS_SCHEDULE_COSINE":   int(ScheduleCosine),
		"ARMS_WEIGHT_UNCHANGED":  int(WeightUnchanged),
		"ARMS_WEIGHT_F32":        int(WeightF32),
		"ARMS_WEIGHT_F16":        int(WeightF16),
		"ARMS_WEIGHT_BF16":       int(WeightBF16),
		"ARMS_WEIGHT_INT8":       int(WeightInt8),
	} {
		if want, ok := values[name]; !ok || got != want {
			t.Errorf("%s is %d here and %d in the header", name, got, want)
		}
	}
	// Every status of the header has the library's name and an error that errors.Is finds.
	sentinels := map[Status]error{
		StatusInvalidArgument: ErrInvalidArgument, StatusInvalidHandle: ErrInvalidHandle,
		StatusNotFound: ErrNotFound, StatusAlreadyExists: ErrAlreadyExists, StatusIO: ErrIO,
		StatusInvalidModel: ErrInvalidModel, StatusInvalidImage: ErrInvalidImage,
		StatusInvalidText: ErrInvalidText, StatusNotFinite: ErrNotFinite,
		StatusLimitExceeded: ErrLimitExceeded, StatusOutOfMemory: ErrOutOfMemory,
		StatusUnsupported: ErrUnsupported, StatusNoCandidates: ErrNoCandidates,
		StatusMissingValue: ErrMissingValue, StatusBufferTooSmall: ErrBufferTooSmall,
		StatusCancelled: ErrCancelled, StatusInternal: ErrInternal,
		StatusBusy: ErrBusy, StatusConflict: ErrConflict,
	}
	count := 0
	for name, value := range values {
		if len(name) < 11 || name[:11] != "ARMS_ERROR_" {
			continue
		}
		count++
		if Status(value).String() != name || (&Error{Status: Status(value)}).Unwrap() != sentinels[Status(value)] {
			t.Errorf("status %d: %s, want %s", value, Status(value), name)
		}
	}
	if count != len(sentinels) || Status(1<<20).String() != "ARMS_ERROR_UNKNOWN" {
		t.Errorf("%d statuses in the header, %d here", count, len(sentinels))
	}
	if ABIVersion() < 1 || Version() == "" || KernelISA() == "" {
		t.Error("the library does not say what it is")
	}
}

// The package calls every function of the header that does not have its like in Go.
func TestEveryFunctionIsCalled(t *testing.T) {
	header, err := os.ReadFile("../../include/arms.h")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var sources strings.Builder
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		sources.Write(source)
	}
	count := 0
	for _, match := range regexp.MustCompile(`(?m)^[a-z][a-z0-9_ ]+[ *](arms_\w+)\(`).FindAllSubmatch(header, -1) {
		count++
		name := string(match[1])
		if name == "arms_error_status" { // each call returns it
			continue
		}
		if !regexp.MustCompile(`\b(C\.|return )` + name + `\(`).MatchString(sources.String()) {
			t.Errorf("%s is not called", name)
		}
	}
	if count < 50 {
		t.Errorf("found %d functions in the header", count)
	}
}
