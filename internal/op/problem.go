package op

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"haat/internal/fault"
)

// Problem is an error as RFC 9457 has it.
type Problem struct {
	Type   string         `json:"type" doc:"about:blank"`
	Title  string         `json:"title" example:"Unprocessable Entity"`
	Status int            `json:"status" example:"422"`
	Detail string         `json:"detail,omitempty" doc:"What went wrong, in one sentence"`
	Code   string         `json:"code,omitempty" doc:"A stable word for programs" example:"out-of-stock"`
	Errors []ProblemField `json:"errors,omitempty" doc:"Which inputs are at fault"`

	retry time.Duration
}

// ProblemField is one input at fault.
type ProblemField struct {
	Pointer string `json:"pointer" doc:"JSON pointer into the request" example:"/lines/0/quantity"`
	Detail  string `json:"detail"`
}

func (p *Problem) Error() string                { return p.Detail }
func (p *Problem) GetStatus() int               { return p.Status }
func (p *Problem) ContentType(ct string) string { return "application/problem+json" }
func (p *Problem) GetHeaders() http.Header {
	h := http.Header{}
	if p.retry > 0 {
		h.Set("Retry-After", strconv.Itoa(int((p.retry+time.Second-1)/time.Second)))
	}
	if p.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="haat"`)
	}
	return h
}

// ProblemOf renders an error. One that is not a fault is logged, and nothing
// of it is shown.
func ProblemOf(err error, log *slog.Logger, what string) *Problem {
	f := fault.Of(err)
	if f == nil {
		log.Error("an operation failed", "operation", what, "err", err)
		return &Problem{Type: "about:blank", Title: http.StatusText(500), Status: 500, Detail: "Something went wrong on our side. It has been noted."}
	}
	p := &Problem{Type: "about:blank", Status: StatusOf(f), Detail: f.Message, Code: f.Code, retry: f.RetryAfter}
	p.Title = http.StatusText(p.Status)
	if f.Field != "" {
		p.Errors = append(p.Errors, ProblemField{f.Field, f.Message})
	}
	for _, m := range f.More {
		p.Errors = append(p.Errors, ProblemField{m.Pointer, m.Message})
	}
	return p
}

// StatusOf gives the HTTP status of a fault.
func StatusOf(f *fault.Fault) int {
	switch f.Kind {
	case fault.KindInvalid:
		return http.StatusUnprocessableEntity
	case fault.KindNotFound:
		return http.StatusNotFound
	case fault.KindConflict:
		return http.StatusConflict
	case fault.KindTooLarge:
		return http.StatusRequestEntityTooLarge
	case fault.KindDenied:
		if f.Anonymous {
			return http.StatusUnauthorized
		}
		return http.StatusForbidden
	case fault.KindBusy:
		if f.Limited {
			return http.StatusTooManyRequests
		}
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// Write sends the problem.
func (p *Problem) Write(w http.ResponseWriter) {
	for k, v := range p.GetHeaders() {
		w.Header()[k] = v
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p)
}

// missing is what huma says of what holds a property that is not there.
var missing = regexp.MustCompile(`^expected required property (\S+) to be present$`)

var index = regexp.MustCompile(`\[(\d+)\]`)

// pointer turns huma's "body.lines[0].quantity" into "/lines/0/quantity".
func pointer(location string) string {
	location = index.ReplaceAllString(location, ".$1")
	for _, root := range []string{"body", "path", "query", "header"} {
		if rest, ok := strings.CutPrefix(location, root); ok && (rest == "" || rest[0] == '.') {
			location = rest
			break
		}
	}
	return strings.ReplaceAll("/"+strings.TrimPrefix(location, "."), ".", "/")
}

func init() {
	huma.NewError = func(status int, msg string, errs ...error) huma.StatusError {
		p := &Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: msg}
		if msg == "cannot read request body" {
			p.Status = http.StatusBadRequest
			for _, err := range errs {
				if large := (*http.MaxBytesError)(nil); errors.As(err, &large) {
					return ProblemOf(fault.TooLarge("", "A request to this address has %d bytes at most.", large.Limit), nil, "")
				}
			}
		}
		if p.Status == http.StatusBadRequest { // a body that cannot be read is invalid input like any other
			p.Status, p.Title = http.StatusUnprocessableEntity, http.StatusText(http.StatusUnprocessableEntity)
		}
		for _, err := range errs {
			var d huma.ErrorDetailer
			if errors.As(err, &d) {
				e := d.ErrorDetail()
				at := pointer(e.Location)
				if m := missing.FindStringSubmatch(e.Message); m != nil {
					at, e.Message = strings.TrimSuffix(at, "/")+"/"+m[1], "This is missing."
				}
				p.Errors = append(p.Errors, ProblemField{at, e.Message})
			} else if err != nil {
				p.Errors = append(p.Errors, ProblemField{"/", err.Error()})
			}
		}
		if msg == "validation failed" && len(p.Errors) > 0 {
			p.Detail = fmt.Sprintf("%s: %s", p.Errors[0].Pointer, p.Errors[0].Detail)
		}
		return p
	}
}
