package arms_test

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/color"
	"image/png"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"

	"arms.dev/arms"
)

const model = "../../Tests/Fixtures/models/distilbert-patches-scaled.gguf"

const question = "How many red cars are on the left?"

var background = context.Background()

func open(t testing.TB, options ...arms.OpenOption) *arms.Router {
	t.Helper()
	router, err := arms.Open(model, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { router.Close() })
	return router
}

// picture is an image of many colours, all of them opaque.
func picture() *image.NRGBA {
	picture := image.NewNRGBA(image.Rect(0, 0, 61, 47))
	for y := 0; y < 47; y++ {
		for x := 0; x < 61; x++ {
			picture.SetNRGBA(x, y, color.NRGBA{uint8(4 * x), uint8(5 * y), uint8(x * y), 255})
		}
	}
	return picture
}

func encoded(t testing.TB, source image.Image) []byte {
	t.Helper()
	var file bytes.Buffer
	if err := png.Encode(&file, source); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

func wants(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("got %v, want %v", err, want)
	}
}

func TestRouteRanksEveryCandidate(t *testing.T) {
	router := open(t)
	query := arms.Query{Question: question, Images: []arms.Image{arms.FromImage(picture())}}
	decision, err := router.Route(background, query)
	if err != nil {
		t.Fatal(err)
	}
	list, err := router.List()
	if err != nil {
		t.Fatal(err)
	}
	if len(decision.Ranked) != len(list) || decision.Name != decision.Ranked[0].Name {
		t.Errorf("%d candidates, decision %+v", len(list), decision)
	}
	for i, entry := range decision.Ranked {
		if i > 0 && entry.Utility > decision.Ranked[i-1].Utility {
			t.Errorf("entry %d is better than the one before: %+v", i, decision.Ranked)
		}
		if entry.Correct != (entry.Confidence > 0.5) {
			t.Errorf("label of %+v", entry)
		}
	}
	info, err := router.Info()
	if err != nil {
		t.Fatal(err)
	}
	sum := float32(0)
	for _, probability := range decision.Gate {
		sum += probability
	}
	if len(decision.Gate) != info.ExpertCount || math.Abs(float64(sum-1)) > 1e-4 {
		t.Errorf("gate %v of %d experts", decision.Gate, info.ExpertCount)
	}
	if decision.QuestionTokens == 0 || decision.QuestionTruncated {
		t.Errorf("decision %+v", decision)
	}
}

func TestEmbedQueryIsOfLengthOneAndOfTheQuery(t *testing.T) {
	router := open(t)
	info, err := router.Info()
	if err != nil {
		t.Fatal(err)
	}
	seen := arms.Query{Question: question, Images: []arms.Image{arms.FromImage(picture())}}
	vector, err := router.EmbedQuery(background, seen, 0)
	if err != nil {
		t.Fatal(err)
	}
	length := 0.0
	for _, value := range vector {
		length += float64(value) * float64(value)
	}
	if len(vector) != info.SharedWidth || math.Abs(length-1) > 1e-5 {
		t.Errorf("%d numbers of squared length %v, want %d of 1", len(vector), length, info.SharedWidth)
	}
	other, err := router.EmbedQuery(background, arms.Query{Question: "What does the sign say?"}, 0)
	if err != nil || reflect.DeepEqual(vector, other) {
		t.Errorf("another query has the same vector, %v", err)
	}
	_, err = router.EmbedQuery(background, seen, 1)
	wants(t, err, arms.ErrNotFound)
	_, err = router.EmbedQuery(background, seen, -1)
	wants(t, err, arms.ErrInvalidArgument)
	_, err = router.EmbedQuery(background, arms.Query{Question: "\xff"}, 0)
	wants(t, err, arms.ErrInvalidText)
}

func TestScoreAgreesWithRoute(t *testing.T) {
	router := open(t)
	queries := []arms.Query{
		{Question: question, Images: []arms.Image{arms.FromImage(picture())}},
		{Question: "What does the sign say?"},
	}
	scores, err := router.Score(background, queries)
	if err != nil {
		t.Fatal(err)
	}
	for row, query := range queries {
		decision, err := router.Route(background, query)
		if err != nil {
			t.Fatal(err)
		}
		ranked := map[string]float32{}
		for _, entry := range decision.Ranked {
			ranked[entry.Name] = entry.Confidence
		}
		for column, name := range scores.Names {
			if math.Abs(float64(scores.Row(row)[column]-ranked[name])) > 1e-5 {
				t.Errorf("query %d, %s: scored %v, ranked %v", row, name, scores.Row(row), ranked)
			}
		}
	}
	name := scores.Names[1]
	one, err := router.Score(background, queries, arms.WithNames(name))
	if err != nil || len(one.Values) != 2 || one.Row(0)[0] != scores.Row(0)[1] {
		t.Errorf("%+v, %v, want the column of %s in %+v", one, err, name, scores)
	}
	logits, err := router.Score(background, queries, arms.WithOutput(arms.ScoreLogit))
	if err != nil || reflect.DeepEqual(logits.Values, scores.Values) {
		t.Errorf("logits %v, %v", logits, err)
	}
	for _, output := range []arms.ScoreOutput{2, -1, 1<<32 | arms.ScoreLogit} {
		_, err = router.Score(background, queries, arms.WithOutput(output))
		wants(t, err, arms.ErrInvalidArgument)
	}
	none, err := router.Score(background, nil)
	if err != nil || len(none.Values) != 0 {
		t.Errorf("no query: %v, %v", none, err)
	}
}

func TestEveryFormOfAnImageIsTheSame(t *testing.T) {
	router := open(t)
	source := picture()
	path := filepath.Join(t.TempDir(), "picture.png")
	if err := os.WriteFile(path, encoded(t, source), 0o600); err != nil {
		t.Fatal(err)
	}
	rgb := make([]byte, 0, 61*47*3)
	drawn, deep := image.NewRGBA(source.Rect), image.NewNRGBA64(source.Rect)
	larger := image.NewNRGBA(image.Rect(0, 0, 80, 60))
	for y := 0; y < 47; y++ {
		for x := 0; x < 61; x++ {
			c := source.NRGBAAt(x, y)
			rgb = append(rgb, c.R, c.G, c.B)
			drawn.Set(x, y, c)
			deep.Set(x, y, c)
			larger.Set(x+5, y+9, c)
		}
	}
	want, err := router.Prepare(background, arms.FromBytes(encoded(t, source)))
	if err != nil {
		t.Fatal(err)
	}
	for name, form := range map[string]arms.Image{
		"path":     arms.FromPath(path),
		"exact":    arms.FromPath(path).Exact(),
		"NRGBA":    arms.FromImage(source),
		"RGBA":     arms.FromImage(drawn),
		"NRGBA64":  arms.FromImage(deep),
		"subimage": arms.FromImage(larger.SubImage(image.Rect(5, 9, 66, 56))),
		"any":      arms.FromImage(struct{ image.Image }{source}),
		"RGB8":     arms.RGB8(rgb, 61, 47, 0),
		"RGBA8":    arms.RGBA8(source.Pix, 61, 47, source.Stride),
		"prepared": arms.Prepared(want),
	} {
		got, err := router.Prepare(background, form)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s differs from the file (%v)", name, err)
		}
	}
}

// A host may map its files, and Go does not own what it maps.
func TestAnImageMayLieInMemoryThatIsNotOfGo(t *testing.T) {
	router := open(t)
	file := encoded(t, picture())
	mapped, err := syscall.Mmap(-1, 0, len(file), syscall.PROT_READ|syscall.PROT_WRITE,
		syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Munmap(mapped)
	copy(mapped, file)
	var decisions [2]arms.Decision
	for place, content := range [][]byte{file, mapped} {
		query := arms.Query{Question: question, Images: []arms.Image{arms.FromBytes(content)}}
		if decisions[place], err = router.Route(background, query); err != nil {
			t.Fatal(err)
		}
	}
	if !reflect.DeepEqual(decisions[0], decisions[1]) {
		t.Errorf("got %+v, want %+v", decisions[1], decisions[0])
	}
}

// bounded is an image that says it is as large as it is told.
type bounded struct {
	image.Image
	bounds image.Rectangle
}

func (b bounded) Bounds() image.Rectangle { return b.bounds }

// An image of the standard library may be boundless. What is too large to convert is an error of the call.
func TestAnImageTooLargeToConvertIsRefused(t *testing.T) {
	router := open(t)
	for name, bad := range map[string]struct {
		image image.Image
		want  error
	}{
		"uniform":  {image.Black, arms.ErrLimitExceeded},
		"square":   {bounded{picture(), image.Rect(0, 0, 1<<31, 1<<31)}, arms.ErrLimitExceeded},
		"wide":     {bounded{picture(), image.Rect(0, 0, 1<<31, 1)}, arms.ErrLimitExceeded},
		"inverted": {bounded{picture(), image.Rectangle{Min: image.Pt(3, 3)}}, arms.ErrInvalidArgument},
		"empty":    {bounded{picture(), image.Rectangle{}}, arms.ErrInvalidArgument},
	} {
		_, err := router.EncodeImage(background, arms.FromImage(bad.image).Exact())
		if !errors.Is(err, bad.want) {
			t.Errorf("%s: got %v, want %v", name, err, bad.want)
		}
		err = dataSet(t).Add(arms.Sample{
			Images:   []arms.Image{arms.FromImage(bad.image)},
			Outcomes: []arms.Outcome{{Candidate: "small"}},
		})
		if !errors.Is(err, bad.want) {
			t.Errorf("%s in a sample: got %v, want %v", name, err, bad.want)
		}
	}
}

func TestAlphaIsDropped(t *testing.T) {
	router := open(t)
	straight := image.NewNRGBA(image.Rect(0, 0, 40, 40))
	premultiplied := image.NewRGBA(straight.Rect)
	opaque := image.NewNRGBA(straight.Rect)
	for y := 0; y < 40; y++ {
		for x := 0; x < 40; x++ {
			c := color.NRGBA{uint8(6 * x), uint8(6 * y), 200, 128}
			straight.Set(x, y, c)
			premultiplied.Set(x, y, c)
			opaque.Set(x, y, color.NRGBA{c.R, c.G, c.B, 255})
		}
	}
	want, err := router.Prepare(background, arms.FromImage(opaque))
	if err != nil {
		t.Fatal(err)
	}
	got, err := router.Prepare(background, arms.FromImage(straight))
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("straight alpha changes the image (%v)", err)
	}
	got, err = router.Prepare(background, arms.FromImage(premultiplied))
	if err != nil {
		t.Fatal(err)
	}
	for i := range got {
		// Alpha 128 leaves 7 bits of a colour: two levels of 255, in units of the deviation.
		if math.Abs(float64(got[i]-want[i])) > 3.0/255/0.25 {
			t.Fatalf("pixel %d: %v, want about %v", i, got[i], want[i])
		}
	}
}

func TestGrayIsThreeEqualChannels(t *testing.T) {
	router := open(t)
	gray, colour := image.NewGray(image.Rect(0, 0, 33, 35)), image.NewNRGBA(image.Rect(0, 0, 33, 35))
	for y := 0; y < 35; y++ {
		for x := 0; x < 33; x++ {
			level := uint8(7*x + y)
			gray.SetGray(x, y, color.Gray{Y: level})
			colour.SetNRGBA(x, y, color.NRGBA{level, level, level, 255})
		}
	}
	want, err := router.Prepare(background, arms.FromImage(colour))
	if err != nil {
		t.Fatal(err)
	}
	for name, form := range map[string]arms.Image{
		"FromImage": arms.FromImage(gray),
		"Gray8":     arms.Gray8(gray.Pix, 33, 35, gray.Stride),
	} {
		if got, err := router.Prepare(background, form); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s differs (%v)", name, err)
		}
	}
}

func TestEncodedInputsOutliveTheRouter(t *testing.T) {
	router := open(t)
	form := arms.FromImage(picture())
	want, err := router.Route(background, arms.Query{Question: question, Images: []arms.Image{form}})
	if err != nil {
		t.Fatal(err)
	}
	text, err := router.EncodeQuestion(background, question)
	if err != nil {
		t.Fatal(err)
	}
	looked, err := router.EncodeImage(background, form)
	if err != nil {
		t.Fatal(err)
	}
	query := arms.Query{EncodedQuestion: text, EncodedImages: []*arms.EncodedImage{looked}}
	got, err := router.Route(background, query)
	if err != nil || got.Name != want.Name ||
		math.Abs(float64(got.Confidence-want.Confidence)) > 1e-5 {
		t.Errorf("got %+v (%v), want %+v", got, err, want)
	}
	if err := router.Close(); err != nil {
		t.Fatal(err)
	}
	for _, embed := range []func() ([]float32, error){text.Embedding, looked.Embedding} {
		if vector, err := embed(); err != nil || len(vector) == 0 {
			t.Errorf("embedding %v, %v", vector, err)
		}
	}
	text.Close()
	text.Close()
	looked.Close()
	_, err = text.Embedding()
	wants(t, err, arms.ErrInvalidHandle)
	_, err = looked.Embedding()
	wants(t, err, arms.ErrInvalidHandle)
	_, err = open(t).Route(background, query)
	wants(t, err, arms.ErrInvalidHandle)
}

func TestTokensStandForTheQuestion(t *testing.T) {
	router := open(t)
	tokens, total, err := router.Tokenize(question)
	if err != nil || total < len(tokens) || len(tokens) < 3 {
		t.Fatalf("%v, %d, %v", tokens, total, err)
	}
	scores, err := router.Score(background, []arms.Query{{Question: question}, {Tokens: tokens}})
	if err != nil {
		t.Fatal(err)
	}
	for column := range scores.Names {
		if math.Abs(float64(scores.Row(0)[column]-scores.Row(1)[column])) > 1e-5 {
			t.Errorf("%+v", scores)
		}
	}
	long := ""
	for i := 0; i < 500; i++ {
		long += "a "
	}
	decision, err := router.Route(background, arms.Query{Question: long})
	if err != nil || !decision.QuestionTruncated ||
		decision.QuestionTokensTotal <= decision.QuestionTokens {
		t.Errorf("%+v, %v", decision, err)
	}
}

func TestCandidates(t *testing.T) {
	router := open(t)
	before, err := router.Info()
	if err != nil {
		t.Fatal(err)
	}
	added := arms.Candidate{
		Name: "added", Parameters: "7B", LanguageModel: "Qwen2-7B", Cost: arms.Known(0.002),
		Latency: arms.Known(0), Temperature: 1.5, Bias: 0.25, MaxImages: -1,
	}
	embedded := arms.Candidate{Name: "embedded", Embedding: make([]float32, before.TextWidth)}
	embedded.Embedding[0] = 1
	if err := router.Add(background, added, embedded); err != nil {
		t.Fatal(err)
	}
	list, err := router.List()
	if err != nil || len(list) != before.CandidateCount+2 {
		t.Fatalf("%v, %v", list, err)
	}
	got := list[len(list)-2]
	if got.Name != "added" || *got.Cost != 0.002 || *got.Latency != 0 || got.Temperature != 1.5 ||
		got.Bias != 0.25 || got.MaxImages != -1 || got.Router != 0 || got.Disabled {
		t.Errorf("listed %+v", got)
	}
	if last := list[len(list)-1]; last.Cost != nil || last.Latency != nil {
		t.Errorf("listed %+v", last)
	}
	if sentence, err := router.Profile("added"); err != nil || sentence == "" {
		t.Errorf("profile %q, %v", sentence, err)
	}
	vector, err := router.Embedding("embedded")
	if err != nil || !reflect.DeepEqual(vector, embedded.Embedding) {
		t.Errorf("embedding %v, %v", vector, err)
	}

	wants(t, router.Add(background, arms.Candidate{Name: "new"}, added), arms.ErrAlreadyExists)
	_, err = router.Profile("new")
	wants(t, err, arms.ErrNotFound)
	wants(t, router.Update(arms.Candidate{Name: "absent"}), arms.ErrNotFound)
	wants(t, router.Update(arms.Candidate{Name: "added", Profile: "other"}), arms.ErrInvalidArgument)
	if err := router.Update(arms.Candidate{Name: "added", Cost: arms.Known(1)}); err != nil {
		t.Error(err)
	}
	if err := router.Disable("added", "embedded"); err != nil {
		t.Error(err)
	}
	decision, err := router.Route(background, arms.Query{Question: question})
	if err != nil || len(decision.Ranked) != before.CandidateCount {
		t.Errorf("%+v, %v", decision, err)
	}
	if err := router.Enable("embedded"); err != nil {
		t.Error(err)
	}
	decision, err = router.Route(background, arms.Query{Question: question})
	if err != nil || len(decision.Ranked) != before.CandidateCount+1 {
		t.Errorf("%+v, %v", decision, err)
	}
	wants(t, router.Remove("added", "absent"), arms.ErrNotFound)
	if err := router.Remove("added"); err != nil {
		t.Error(err)
	}
	after, err := router.Info()
	if err != nil || after.CandidateCount != before.CandidateCount+1 ||
		after.Generation <= before.Generation {
		t.Errorf("before %+v, after %+v", before, after)
	}
}

func TestAListedCandidateCanBeUpdatedInOneField(t *testing.T) {
	router := open(t)
	if err := router.Add(background, arms.Candidate{
		Name: "added", Profile: "Reads charts.", Cost: arms.Known(0.002), Latency: arms.Known(30),
		Temperature: 1.5, Bias: 0.25, MaxImages: 2, Disabled: true,
	}, arms.Candidate{Name: "free", Cost: arms.Known(0), MaxImages: -1}); err != nil {
		t.Fatal(err)
	}
	want, err := router.List()
	if err != nil {
		t.Fatal(err)
	}
	for place := range want {
		changed := want[place].Candidate()
		changed.Cost = arms.Known(3)
		if err := router.Update(changed); err != nil {
			t.Fatal(err)
		}
		want[place].Cost = arms.Known(3)
		if got, err := router.List(); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, %v, want %+v", got[place], err, want[place])
		}
	}
	if sentence, err := router.Profile("added"); err != nil || sentence != "Reads charts." {
		t.Errorf("profile %q, %v", sentence, err)
	}
}

func TestAnUpdateKeepsWhatItIsAskedTo(t *testing.T) {
	router := open(t)
	start := arms.Candidate{
		Name: "added", Cost: arms.Known(1), Latency: arms.Known(2), Temperature: 3, Bias: 4, MaxImages: 5,
		Disabled: true,
	}
	if err := router.Add(background, start); err != nil {
		t.Fatal(err)
	}
	listed := func() arms.CandidateInfo {
		list, err := router.List()
		if err != nil {
			t.Fatal(err)
		}
		return list[len(list)-1]
	}
	for kept, change := range map[arms.CandidateFields]func(*arms.CandidateInfo){
		0:                    func(*arms.CandidateInfo) {},
		arms.KeepDisabled:    func(info *arms.CandidateInfo) { info.Disabled = false },
		arms.KeepCost:        func(info *arms.CandidateInfo) { info.Cost = nil },
		arms.KeepLatency:     func(info *arms.CandidateInfo) { info.Latency = nil },
		arms.KeepTemperature: func(info *arms.CandidateInfo) { info.Temperature = 1 },
		arms.KeepBias:        func(info *arms.CandidateInfo) { info.Bias = 0 },
		arms.KeepMaxImages:   func(info *arms.CandidateInfo) { info.MaxImages = 0 },
	} {
		if err := router.Update(start); err != nil {
			t.Fatal(err)
		}
		want := listed()
		change(&want)
		if err := router.Update(arms.Candidate{Name: "added", Keep: arms.KeepAll &^ kept}); err != nil {
			t.Fatal(err)
		}
		if got := listed(); !reflect.DeepEqual(got, want) {
			t.Errorf("without %b kept: %+v, want %+v", kept, got, want)
		}
	}
}

// What a candidate keeps has bits beside other flags in C, which it must not set.
func TestWhatIsNoFieldCannotBeKept(t *testing.T) {
	router := open(t)
	want, err := router.List()
	if err != nil {
		t.Fatal(err)
	}
	for bit := 0; bit < 32; bit++ {
		field := arms.CandidateFields(1) << bit
		if field&arms.KeepAll != 0 {
			continue
		}
		err := router.Update(arms.Candidate{Name: "small", Keep: arms.KeepAll | field})
		wants(t, err, arms.ErrInvalidArgument)
		if err != nil && !strings.Contains(err.Error(), `"small"`) {
			t.Errorf("the candidate is not named: %v", err)
		}
	}
	err = router.Add(background, arms.Candidate{Name: "added", Keep: arms.KeepCost})
	wants(t, err, arms.ErrInvalidArgument)
	if err != nil && !strings.Contains(err.Error(), "Keep is for Update") {
		t.Errorf("what is wrong is not said: %v", err)
	}
	if got, err := router.List(); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v, want %+v", got, err, want)
	}
}

// Of a listed candidate nothing is lost that a candidate has.
func TestAListedCandidateIsOneInEveryField(t *testing.T) {
	info := arms.CandidateInfo{
		Name: "a", Cost: arms.Known(1), Latency: arms.Known(2), Temperature: 3, Bias: 4, Beta: 5,
		MaxImages: 6, Router: 1, Disabled: true, Chosen: 7,
	}
	listed, made := reflect.ValueOf(info), reflect.ValueOf(info.Candidate())
	for place := 0; place < listed.NumField(); place++ {
		name, value := listed.Type().Field(place).Name, listed.Field(place)
		if value.IsZero() {
			t.Errorf("%s is not tested", name)
		}
		field := made.FieldByName(name)
		if field.IsValid() && !reflect.DeepEqual(field.Interface(), value.Interface()) {
			t.Errorf("%s is %v, listed as %v", name, field, value)
		}
	}
}

func TestPolicies(t *testing.T) {
	router := open(t)
	names := []string{"cheap", "dear", "unpriced"}
	err := router.Add(background,
		arms.Candidate{Name: names[0], Cost: arms.Known(0.001), Latency: arms.Known(10)},
		arms.Candidate{Name: names[1], Cost: arms.Known(10), Latency: arms.Known(1000)},
		arms.Candidate{Name: names[2]})
	if err != nil {
		t.Fatal(err)
	}
	query := arms.Query{Question: question}
	priced := arms.WithAllowed("cheap", "dear")
	for name, option := range map[string]arms.RouteOption{
		"utility of cost":    arms.WithUtility(1, 0),
		"utility of latency": arms.WithUtility(0, 1),
		"ceiling of cost":    arms.WithMaxCost(1),
		"ceiling of latency": arms.WithMaxLatency(100),
	} {
		decision, err := router.Route(background, query, priced, option)
		if err != nil || decision.Name != "cheap" {
			t.Errorf("%s: %+v, %v", name, decision, err)
		}
	}
	for name, option := range map[string]arms.RouteOption{
		"max_cost": arms.WithMaxCost(0), "max_latency": arms.WithMaxLatency(0),
	} {
		_, err := router.Route(background, query, priced, option)
		wants(t, err, arms.ErrNoCandidates)
		if !strings.Contains(err.Error(), "of 6, 4 not allowed, 2 above "+name) {
			t.Errorf("%s of 0: %v", name, err)
		}
	}
	_, err = router.Route(background, query, arms.WithUtility(1, 0), arms.WithAllowed(names...))
	wants(t, err, arms.ErrMissingValue)
	_, err = router.Route(background, query, arms.WithAllowed("absent"))
	wants(t, err, arms.ErrNotFound)
	_, err = router.Route(background, query, arms.WithCascade(2))
	wants(t, err, arms.ErrInvalidArgument)
	decision, err := router.Route(background, query, arms.WithAbstention(1))
	if err != nil || !decision.Abstained || decision.Name != "" || len(decision.Ranked) == 0 {
		t.Errorf("%+v, %v", decision, err)
	}
}

func TestCascadeOverTwoFiles(t *testing.T) {
	router, second := open(t), open(t)
	if err := second.Add(background, arms.Candidate{Name: "only in the second"}); err != nil {
		t.Fatal(err)
	}
	decision, err := router.Route(background, arms.Query{Question: question},
		arms.WithCascade(1), arms.WithSecond(second))
	if err != nil || !decision.SecondRouter || len(decision.SecondGate) == 0 {
		t.Fatalf("%+v, %v", decision, err)
	}
	pools := [2]int{}
	for _, entry := range decision.Ranked {
		pools[entry.Router]++
	}
	if pools[0] == 0 || pools[1] != pools[0]+1 {
		t.Errorf("ranked %+v", decision.Ranked)
	}
	second.Close()
	_, err = router.Route(background, arms.Query{Question: question},
		arms.WithCascade(1), arms.WithSecond(second))
	wants(t, err, arms.ErrInvalidHandle)
}

func TestSaveAndOpen(t *testing.T) {
	router := open(t, arms.WithCopy(), arms.WithThreads(1), arms.WithImageLimits(1000, 1000))
	if err := router.Add(background, arms.Candidate{Name: "added"}); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "saved.gguf")
	if err := router.Save(path); err != nil {
		t.Fatal(err)
	}
	saved, err := arms.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer saved.Close()
	want, err := router.Score(background, []arms.Query{{Question: question}})
	if err != nil {
		t.Fatal(err)
	}
	got, err := saved.Score(background, []arms.Query{{Question: question}})
	if err != nil || !reflect.DeepEqual(got.Names, want.Names) ||
		!reflect.DeepEqual(got.Values, want.Values) {
		t.Errorf("got %+v (%v), want %+v", got, err, want)
	}
	memory, err := router.Memory()
	if err != nil || memory.Candidates == 0 {
		t.Errorf("%+v, %v", memory, err)
	}
	info, err := router.Info()
	if err != nil || info.Threads != 1 {
		t.Errorf("%+v, %v", info, err)
	}
	_, err = router.EncodeImage(background, arms.FromImage(picture()))
	wants(t, err, arms.ErrLimitExceeded)
	wants(t, router.Save(filepath.Join(path, "below a file")), arms.ErrIO)
}

func TestBadInput(t *testing.T) {
	directory := t.TempDir()
	junk := filepath.Join(directory, "junk.gguf")
	if err := os.WriteFile(junk, []byte("this is no model file"), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]error{
		filepath.Join(directory, "absent.gguf"): arms.ErrIO,
		junk:                                    arms.ErrInvalidModel,
		"with\x00nul":                           arms.ErrInvalidArgument,
	} {
		_, err := arms.Open(path)
		wants(t, err, want)
		var details *arms.Error
		if !errors.As(err, &details) || details.Message == "" {
			t.Errorf("%v is not described", err)
		}
	}
	_, err := arms.Open(model, arms.WithThreads(-1))
	wants(t, err, arms.ErrInvalidArgument)

	router := open(t)
	nan := float32(math.NaN())
	info, err := router.Info()
	if err != nil {
		t.Fatal(err)
	}
	poisoned := make([]float32, info.TextWidth)
	poisoned[0] = nan
	wants(t, router.Add(background, arms.Candidate{Name: "x", Embedding: poisoned}), arms.ErrNotFinite)
	wants(t, router.Add(background, arms.Candidate{Name: "x", Embedding: poisoned[1:]}),
		arms.ErrInvalidArgument)
	wants(t, router.Add(background, arms.Candidate{}), arms.ErrInvalidArgument)
	wants(t, router.Add(background, arms.Candidate{Name: "\xff"}), arms.ErrInvalidText)
	wants(t, router.Add(background, arms.Candidate{Name: "a\x00b"}), arms.ErrInvalidArgument)
	wants(t, router.Add(background, arms.Candidate{Name: "x", MaxImages: -2}), arms.ErrInvalidArgument)
	wants(t, router.Add(background, arms.Candidate{Name: "x", Router: -1}), arms.ErrInvalidArgument)
	wants(t, router.Remove("a\x00b"), arms.ErrInvalidArgument)
	wants(t, router.Disable("absent"), arms.ErrNotFound)

	_, err = router.Route(background, arms.Query{Question: "\xff\xfe"})
	wants(t, err, arms.ErrInvalidText)
	_, err = router.Route(background, arms.Query{Question: question, Tokens: []int32{1}})
	wants(t, err, arms.ErrInvalidArgument)
	_, err = router.Route(background, arms.Query{EncodedImages: []*arms.EncodedImage{nil}})
	wants(t, err, arms.ErrInvalidArgument)
	for _, query := range []arms.Query{
		{EncodedQuestion: &arms.EncodedQuestion{}},
		{Question: question, EncodedQuestion: &arms.EncodedQuestion{}},
		{Question: question, EncodedImages: []*arms.EncodedImage{{}}},
	} {
		_, err = router.Route(background, query)
		wants(t, err, arms.ErrInvalidHandle)
		_, err = router.Score(background, []arms.Query{query})
		wants(t, err, arms.ErrInvalidHandle)
	}
	_, err = router.Route(background, arms.Query{Question: question}, arms.WithSecond(&arms.Router{}))
	wants(t, err, arms.ErrInvalidHandle)
	form := arms.FromImage(picture())
	looked, err := router.EncodeImage(background, form)
	if err != nil {
		t.Fatal(err)
	}
	_, err = router.Route(background, arms.Query{
		Images: []arms.Image{form}, EncodedImages: []*arms.EncodedImage{looked}})
	wants(t, err, arms.ErrInvalidArgument)

	for name, bad := range map[string]struct {
		image arms.Image
		want  error
	}{
		"not an image":  {arms.FromBytes([]byte("this is no image")), arms.ErrInvalidImage},
		"half a file":   {arms.FromBytes(encoded(t, picture())[:400]), arms.ErrInvalidImage},
		"absent file":   {arms.FromPath(filepath.Join(directory, "absent.png")), arms.ErrIO},
		"too few bytes": {arms.RGB8(make([]byte, 10), 61, 47, 0), arms.ErrInvalidArgument},
		"short stride":  {arms.RGBA8(make([]byte, 1000), 10, 10, 7), arms.ErrInvalidArgument},
		"no pixels":     {arms.Gray8([]byte{1}, 0, 1, 0), arms.ErrInvalidArgument},
		"below zero":    {arms.Gray8([]byte{1}, -1, 1, 0), arms.ErrInvalidArgument},
		"stride < 0":    {arms.Gray8([]byte{1}, 1, 1, -1), arms.ErrInvalidArgument},
		"prepared":      {arms.Prepared(make([]float32, 5)), arms.ErrInvalidArgument},
		"empty file":    {arms.FromBytes([]byte{}), arms.ErrInvalidImage},
		"no file":       {arms.FromBytes(nil), arms.ErrInvalidImage},
		"zero":          {arms.Image{}, arms.ErrInvalidImage},
		"nil":           {arms.FromImage(nil), arms.ErrInvalidImage},
		"no path":       {arms.FromPath(""), arms.ErrInvalidArgument},
		"no rows":       {arms.RGB8(nil, 61, 47, 0), arms.ErrInvalidArgument},
		"no floats":     {arms.Prepared(nil), arms.ErrInvalidArgument},
	} {
		_, err := router.EncodeImage(background, bad.image)
		if !errors.Is(err, bad.want) {
			t.Errorf("%s: got %v, want %v", name, err, bad.want)
		}
	}
}

func TestAFileThatDoesNotExistIsTold(t *testing.T) {
	router := open(t)
	absent := filepath.Join(t.TempDir(), "absent")
	_, err := arms.Open(absent)
	wants(t, err, fs.ErrNotExist)
	wants(t, err, arms.ErrIO)
	_, err = router.EncodeImage(background, arms.FromPath(absent))
	wants(t, err, fs.ErrNotExist)
	wants(t, router.Save(filepath.Join(absent, "router.gguf")), fs.ErrNotExist)

	err = router.Reload(t.TempDir())
	wants(t, err, arms.ErrIO)
	if errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v: the folder is there", err)
	}
	if err := router.Disable("absent"); errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v: that is no file", err)
	}
}

func TestAFileThatIsNotAllowedIsTold(t *testing.T) {
	for _, reason := range []string{"Permission denied", "Operation not permitted"} {
		wants(t, &arms.Error{Status: arms.StatusIO, Message: "a file: cannot write: " + reason}, fs.ErrPermission)
	}
	// Nobody, root either, makes a file here. Where the folder is mounted read-only, that is the reason.
	forbidden := "/sys/arms.gguf"
	_, told := os.Create(forbidden)
	err := open(t).Save(forbidden)
	wants(t, err, arms.ErrIO)
	if errors.Is(err, fs.ErrPermission) != errors.Is(told, fs.ErrPermission) {
		t.Errorf("%v, where Go says %v", err, told)
	}
	if errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v: the folder is there", err)
	}
	_, err = arms.Open(filepath.Join(t.TempDir(), "absent"))
	if errors.Is(err, fs.ErrPermission) {
		t.Errorf("%v: that is allowed", err)
	}
}

func TestAClosedRouterIsDetected(t *testing.T) {
	router := open(t)
	for i := 0; i < 2; i++ {
		if err := router.Close(); err != nil {
			t.Fatal(err)
		}
	}
	_, err := router.Route(background, arms.Query{Question: question})
	wants(t, err, arms.ErrInvalidHandle)
	_, err = router.Score(background, nil)
	wants(t, err, arms.ErrInvalidHandle)
	_, err = router.List()
	wants(t, err, arms.ErrInvalidHandle)
	wants(t, router.Remove("small"), arms.ErrInvalidHandle)
}

func TestACancelledContextStopsTheCall(t *testing.T) {
	router := open(t)
	cancelled, cancel := context.WithCancel(background)
	cancel()
	_, err := router.Route(cancelled, arms.Query{Question: question})
	wants(t, err, context.Canceled)
	_, err = router.Score(cancelled, nil)
	wants(t, err, context.Canceled)
	_, err = router.EncodeQuestion(cancelled, question)
	wants(t, err, context.Canceled)
	_, err = router.EncodeImage(cancelled, arms.FromImage(picture()))
	wants(t, err, context.Canceled)
	_, err = router.Prepare(cancelled, arms.FromImage(picture()))
	wants(t, err, context.Canceled)
	wants(t, router.Add(cancelled, arms.Candidate{Name: "x"}), context.Canceled)
}

// Goroutines route with images in Go's memory while candidates come and go, handles are freed by
// finalizers, and the collector runs as often as it can.
func TestManyGoroutines(t *testing.T) {
	router := open(t)
	file := encoded(t, picture())
	want, err := router.Route(background, arms.Query{
		Question: question, Images: []arms.Image{arms.FromBytes(file)}}, arms.WithAllowed("small"))
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for worker := 0; worker < 6; worker++ {
		name := string(rune('a' + worker))
		group.Add(1)
		go func() {
			defer group.Done()
			for i := 0; i < 15; i++ {
				own := append([]byte{}, file...)
				looked, err := router.EncodeImage(background, arms.FromBytes(own))
				if err != nil {
					t.Error(err)
					return
				}
				if err := router.Add(background, arms.Candidate{Name: name}); err != nil {
					t.Error(err)
				}
				for _, query := range []arms.Query{
					{Question: question, Images: []arms.Image{arms.FromBytes(own)}},
					{Question: question, EncodedImages: []*arms.EncodedImage{looked}},
				} {
					got, err := router.Route(background, query, arms.WithAllowed("small"))
					if err != nil || got.Confidence != want.Confidence {
						t.Errorf("%+v, %v", got, err)
					}
				}
				if _, err := router.Score(background, []arms.Query{{Question: name}}); err != nil {
					t.Error(err)
				}
				if err := router.Remove(name); err != nil {
					t.Error(err)
				}
				runtime.GC()
			}
		}()
	}
	group.Wait()
}
