package design

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/a-h/templ"
	"rsc.io/qr"
)

// QR draws text as a QR code, always dark on white so that every scanner
// reads it, with the quiet zone around it. Label says what scanning does. It
// fails when rendered if text is longer than a code can hold (about 2,000
// bytes).
func QR(text, label string) templ.Component {
	return templ.ComponentFunc(func(_ context.Context, w io.Writer) error {
		code, err := qr.Encode(text, qr.M)
		if err != nil {
			return fmt.Errorf("draw a QR code of %d bytes: %w", len(text), err)
		}
		var d strings.Builder
		for y := range code.Size {
			for x := 0; x < code.Size; x++ {
				from := x
				for x < code.Size && code.Black(x, y) {
					x++
				}
				if x > from {
					fmt.Fprintf(&d, "M%d %dh%dv1h-%dz", from+4, y+4, x-from, x-from)
				}
			}
		}
		_, err = fmt.Fprintf(w, `<svg class="qr" viewBox="0 0 %d %d" role="img" aria-label="%s" shape-rendering="crispEdges"><path fill="#fff" d="M0 0h%dv%dH0z"/><path fill="#000" d="%s"/></svg>`,
			code.Size+8, code.Size+8, templ.EscapeString(label), code.Size+8, code.Size+8, d.String())
		return err
	})
}
