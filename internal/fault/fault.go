// Package fault holds the errors that are safe to show to a person.
//
// A fault says what went wrong in plain words, of which kind it is (so that
// one place can turn it into an HTTP status, an exit code or a message next
// to a field), and where: Field is the JSON pointer of the input at fault.
// Every other error is internal: it is logged, and its text is never shown.
package fault

import (
	"errors"
	"fmt"
	"syscall"
	"time"
)

// Kind says what sort of failure a fault is.
type Kind uint8

const (
	KindInvalid  Kind = iota + 1 // the input is wrong; say where (422)
	KindNotFound                 // no such thing, or not yours (404)
	KindConflict                 // the state does not allow it (409)
	KindBusy                     // try again later (503, or 429 with RetryAfter)
	KindDenied                   // not signed in (401) or not allowed (403)
	KindTooLarge                 // the input is larger than we accept (413)
)

// Fault is an error with a message that is safe to show.
type Fault struct {
	Kind       Kind
	Code       string        // stable machine word, such as "out-of-stock"; may be empty
	Message    string        // one plain sentence
	Field      string        // JSON pointer to the input at fault, such as "/lines/0/quantity"; may be empty
	RetryAfter time.Duration // for KindBusy: when to try again; zero if unknown
	Limited    bool          // for KindBusy: the caller asked too often (429), we are not short of anything
	Anonymous  bool          // for KindDenied: signing in would help (401)
	More       []Field       // further fields at fault
	cause      error
}

// Field is one input at fault and what is wrong with it.
type Field struct {
	Pointer string // JSON pointer
	Message string
}

func (f *Fault) Error() string {
	if f.cause != nil {
		return f.Message + ": " + f.cause.Error()
	}
	return f.Message
}

// Unwrap gives the hidden cause, which is logged and never shown.
func (f *Fault) Unwrap() error { return f.cause }

// With sets the machine word and returns the fault.
func (f *Fault) With(code string) *Fault { f.Code = code; return f }

// Because keeps a cause for the log and returns the fault.
func (f *Fault) Because(err error) *Fault { f.cause = err; return f }

// Invalid says that the input at pointer is wrong. The pointer may be empty.
func Invalid(pointer, format string, args ...any) *Fault {
	return &Fault{Kind: KindInvalid, Field: pointer, Message: fmt.Sprintf(format, args...)}
}

// NotFound says that there is no such thing, or none that the caller may know of.
func NotFound(format string, args ...any) *Fault {
	return &Fault{Kind: KindNotFound, Message: fmt.Sprintf(format, args...)}
}

// At points to the input at fault.
func (f *Fault) At(pointer string) *Fault {
	g := *f
	g.Field = pointer
	return &g
}

// Conflict says that the present state does not allow what was asked.
func Conflict(code, format string, args ...any) *Fault {
	return &Fault{Kind: KindConflict, Code: code, Message: fmt.Sprintf(format, args...)}
}

// Busy says that we cannot serve this now, and when to try again.
func Busy(retry time.Duration, format string, args ...any) *Fault {
	return &Fault{Kind: KindBusy, RetryAfter: retry, Message: fmt.Sprintf(format, args...)}
}

// Limited says that the caller asked too often, and when to try again.
func Limited(retry time.Duration, format string, args ...any) *Fault {
	return &Fault{Kind: KindBusy, Limited: true, RetryAfter: retry, Message: fmt.Sprintf(format, args...)}
}

// Denied says that the caller may not do this.
func Denied(format string, args ...any) *Fault {
	return &Fault{Kind: KindDenied, Message: fmt.Sprintf(format, args...)}
}

// Anonymous says that the caller must sign in first.
func Anonymous(format string, args ...any) *Fault {
	return &Fault{Kind: KindDenied, Anonymous: true, Message: fmt.Sprintf(format, args...)}
}

// TooLarge says that the input exceeds a limit.
func TooLarge(pointer, format string, args ...any) *Fault {
	return &Fault{Kind: KindTooLarge, Field: pointer, Message: fmt.Sprintf(format, args...)}
}

// DiskFull says that nothing can be saved for want of room.
var DiskFull = Busy(10*time.Second, "We cannot save anything just now: the disk is full. Reading goes on.").With("disk-full")

// Full marks an error of the system that says a disk has no room, or a file no
// right to more, as DiskFull. Any other error it gives as it is.
func Full(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG) {
		return fmt.Errorf("%w: %w", DiskFull, err)
	}
	return err
}

// Of finds the fault in err's chain; nil if there is none.
func Of(err error) *Fault {
	var f *Fault
	if errors.As(err, &f) {
		return f
	}
	return nil
}

// Is reports whether err carries a fault of kind k.
func Is(err error, k Kind) bool {
	f := Of(err)
	return f != nil && f.Kind == k
}
