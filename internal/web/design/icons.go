package design

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/a-h/templ"
)

// icons are drawn by us on a 24 × 24 grid with one stroke; each value is the
// content of the svg element.
var icons = map[string]string{
	"alert":    `<path d="M12 4 2.8 19.5h18.4z"/><path d="M12 10v4.5M12 17v.1"/>`,
	"archive":  `<path d="M3.5 4.5h17v4h-17zM5 8.5V19a1 1 0 0 0 1 1h12a1 1 0 0 0 1-1V8.5M10 12.5h4"/>`,
	"back":     `<path d="M20 12H4.5M11 5.5 4.5 12l6.5 6.5"/>`,
	"bag":      `<path d="M5 8h14l1 12.5H4zM8.5 10.5V7a3.5 3.5 0 0 1 7 0v3.5"/>`,
	"bell":     `<path d="M6 16.5V11a6 6 0 0 1 12 0v5.5l1.5 2h-15zM10 21h4"/>`,
	"box":      `<path d="m12 3 8.5 4.5v9L12 21l-8.5-4.5v-9zM3.5 7.5 12 12l8.5-4.5M12 12v9M7.7 5.3l8.6 4.5"/>`,
	"calendar": `<path d="M4 6h16v14.5H4zM4 10.5h16M8 3.5V7M16 3.5V7"/>`,
	"camera":   `<path d="M3.5 7.5H8l1.5-2.5h5L16 7.5h4.5V19h-17z"/><circle cx="12" cy="13" r="3.5"/>`,
	"card":     `<path d="M3 5.5h18v13H3zM3 10h18M6.5 15h4"/>`,
	"cash":     `<path d="M2.5 6.5h19v11h-19z"/><circle cx="12" cy="12" r="2.5"/><path d="M6 10v4M18 10v4"/>`,
	"chart":    `<path d="M4 4v16h16M8.5 16v-4M13 16V8M17.5 16v-6"/>`,
	"check":    `<path d="m4.5 12.5 5 5 10-11"/>`,
	"clock":    `<circle cx="12" cy="12" r="8.5"/><path d="M12 7v5.2l3.5 2"/>`,
	"close":    `<path d="m6 6 12 12M18 6 6 18"/>`,
	"copy":     `<path d="M8.5 8.5H20V20H8.5zM15.5 8.5V4H4v11.5h4.5"/>`,
	"dot":      `<circle cx="12" cy="12" r="3"/>`,
	"down":     `<path d="m6 9.5 6 6 6-6"/>`,
	"download": `<path d="M12 4v11M7.5 11l4.5 4.5 4.5-4.5M4.5 20h15"/>`,
	"drag":     `<path d="M5 9h14M5 15h14"/>`,
	"edit":     `<path d="m4 20 1-4.5L16 4.5l3.5 3.5L8.5 19zM13.5 7l3.5 3.5"/>`,
	"error":    `<circle cx="12" cy="12" r="8.5"/><path d="M12 7.5v5.5M12 16v.1"/>`,
	"external": `<path d="M13.5 4.5h6v6M19.5 4.5 11 13M17.5 14v5.5h-13v-13H10"/>`,
	"eye":      `<path d="M2.5 12S6 5.5 12 5.5 21.5 12 21.5 12 18 18.5 12 18.5 2.5 12 2.5 12z"/><circle cx="12" cy="12" r="3"/>`,
	"filter":   `<path d="M3.5 6h17M7 12h10M10.5 18h3"/>`,
	"folder":   `<path d="M3 6h6.5l2 2.5H21V19H3z"/>`,
	"forward":  `<path d="M4 12h15.5M13 5.5l6.5 6.5-6.5 6.5"/>`,
	"globe":    `<circle cx="12" cy="12" r="8.5"/><path d="M3.5 12h17M12 3.5c6 5 6 12 0 17c-6-5-6-12 0-17"/>`,
	"grid":     `<path d="M4 4h6.5v6.5H4zM13.5 4H20v6.5h-6.5zM4 13.5h6.5V20H4zM13.5 13.5H20V20h-6.5z"/>`,
	"heart":    `<path d="M12 20C3 14 3 9.5 3.5 8.200c1.5-4 6.5-4.200 8.5-.2 2-4 7-3.800 8.5.2.5 1.300.5 5.800-8.5 11.800z"/>`,
	"help":     `<circle cx="12" cy="12" r="8.5"/><path d="M9.5 9.5c.2-3.300 5.200-3 5.200-.2 0 2-2.700 2-2.700 4.200M12 16.800v.1"/>`,
	"history":  `<path d="M4 6v4.5h4.5M4.300 10.5A8.5 8.5 0 1 1 3.800 14M12 8v4.5l3 2"/>`,
	"home":     `<path d="m3.5 11.5 8.5-7.5 8.5 7.5M6 9.5V20h12V9.5M10 20v-5.5h4V20"/>`,
	"image":    `<path d="M3.5 4.5h17v15h-17zM3.5 16l5-5 4.5 4.5 2.5-2 5 4.5"/><circle cx="15.5" cy="9" r="1.5"/>`,
	"info":     `<circle cx="12" cy="12" r="8.5"/><path d="M12 11v5.5M12 7.700v.1"/>`,
	"leaf":     `<path d="M5 19c-2-9 4-14.5 15-14.5C20.5 15 15 21 6.5 17.5M4 21c1.5-5 4.5-8 9-10"/>`,
	"link":     `<path d="M10 14a4 4 0 0 0 5.700 0l3.600-3.600a4 4 0 0 0-5.700-5.700L12 6.300M14 10a4 4 0 0 0-5.700 0l-3.600 3.600a4 4 0 0 0 5.700 5.700l1.600-1.600"/>`,
	"list":     `<path d="M8.5 6h12M8.5 12h12M8.5 18h12M4 6v.1M4 12v.1M4 18v.1"/>`,
	"lock":     `<path d="M5.5 10.5h13V20h-13zM8.5 10.5V8a3.5 3.5 0 0 1 7 0v2.5"/>`,
	"mail":     `<path d="M3 5.5h18v13H3zM3.5 6.5 12 13l8.5-6.5"/>`,
	"menu":     `<path d="M3.5 6.5h17M3.5 12h17M3.5 17.5h17"/>`,
	"message":  `<path d="M4 5h16v11.5h-8L7.5 20v-3.5H4z"/>`,
	"minus":    `<path d="M5 12h14"/>`,
	"more":     `<path d="M5 12v.1M12 12v.1M19 12v.1" stroke-width="2.5"/>`,
	"next":     `<path d="m9.5 5.5 6.5 6.5-6.5 6.5"/>`,
	"note":     `<path d="M5 3.5h14v12L14 20.5H5zM14 20.5v-5h5M8.5 8h7M8.5 12h4"/>`,
	"paint":    `<path d="M12 3.5a8.5 8.5 0 1 0 0 17c2.5 0 1-2.5 2-3.5s6.5.5 6.5-5-4-8.5-8.5-8.5z"/><path d="M8 11v.1M11 7.5v.1M15.5 8.5v.1" stroke-width="2.5"/>`,
	"pause":    `<path d="M8.5 5v14M15.5 5v14"/>`,
	"phone":    `<path d="M6 3.5h3.5L11 8.5 8.5 10c1.200 2.600 2.900 4.300 5.5 5.5l1.5-2.5 5 1.5V18c0 1.5-1 2.5-2.5 2.5C10.5 20.5 3.5 13.5 3.5 6c0-1.5 1-2.5 2.5-2.5z"/>`,
	"pin":      `<path d="M12 21s-7-6-7-11a7 7 0 0 1 14 0c0 5-7 11-7 11z"/><circle cx="12" cy="10" r="2.5"/>`,
	"plus":     `<path d="M12 5v14M5 12h14"/>`,
	"prev":     `<path d="M14.5 5.5 8 12l6.5 6.5"/>`,
	"print":    `<path d="M7 8.5V3.5h10v5M7 17H3.5V8.5h17V17H17M7 13.5h10v7H7z"/>`,
	"qr":       `<path d="M4 4h6v6H4zM14 4h6v6h-6zM4 14h6v6H4zM14 14h2.5v2.5H14zM20 14v3M17 20h3M14 20v.1"/>`,
	"receipt":  `<path d="M5.5 3.5h13v17l-2.200-1.5-2.100 1.5L12 19l-2.200 1.5L7.700 19l-2.200 1.5zM9 8.5h6M9 12.5h6"/>`,
	"refresh":  `<path d="M20 5v5h-5M4 19v-5h5M19.5 10A8 8 0 0 0 5.200 8M4.5 14a8 8 0 0 0 14.300 2"/>`,
	"return":   `<path d="M8.5 4.5 4 9l4.5 4.5M4.5 9H15a5 5 0 0 1 0 10H8"/>`,
	"search":   `<circle cx="10.5" cy="10.5" r="6.5"/><path d="m15.5 15.5 5 5"/>`,
	"settings": `<path d="M4 7h9M18 7h2M4 17h2M11 17h9"/><circle cx="15.5" cy="7" r="2.5"/><circle cx="8.5" cy="17" r="2.5"/>`,
	"share":    `<path d="M12 15V3.5M7.5 7.5 12 3.5l4.5 4M6 11H4.5v9.5h15V11H18"/>`,
	"shield":   `<path d="M12 3.5 4.5 6.5V12c0 4.5 3.5 7.5 7.5 9 4-1.5 7.5-4.5 7.5-9V6.5zM8.5 12l2.5 2.5 4.5-5"/>`,
	"shop":     `<path d="M4.5 4h15l1.5 5.5c-1 3-4.5 3-6 .5-1.5 2.5-4.5 2.5-6 0-1.5 2.5-5 2.5-6-.5zM5 12v8h14v-8M10 20v-5h4v5"/>`,
	"sort":     `<path d="M7.5 4.5v15M4 16l3.5 3.5L11 16M16.5 19.5v-15M13 8l3.5-3.5L20 8"/>`,
	"sound":    `<path d="M4 9.5v5h3.5l5 4.5V5l-5 4.5zM16 9c1.5 1.700 1.5 4.300 0 6M18.5 6.5c3 3.200 3 7.800 0 11"/>`,
	"star":     `<path d="m12 3.5 2.600 5.5 6 .8-4.400 4.100 1.100 6L12 17l-5.300 2.900 1.100-6L3.400 9.800l6-.8z"/>`,
	"stop":     `<circle cx="12" cy="12" r="8.5"/><path d="m6.200 6.200 11.600 11.600"/>`,
	"tag":      `<path d="M3.5 3.5H12l8.5 8.5-8.5 8.5L3.5 12z"/><path d="M8 8v.1" stroke-width="2.5"/>`,
	"trash":    `<path d="M4 6.5h16M9 6.5v-3h6v3M6 6.5l1 14h10l1-14M10 10.5v6M14 10.5v6"/>`,
	"truck":    `<path d="M2.5 6h11.5v11h-11.5zM14 10h4l3.5 3.5V17H14"/><circle cx="7" cy="18" r="2"/><circle cx="17.5" cy="18" r="2"/>`,
	"undo":     `<path d="M8.5 4.5 4 9l4.5 4.5M4.5 9H15a5 5 0 0 1 0 10H8"/>`,
	"up":       `<path d="m6 14.5 6-6 6 6"/>`,
	"upload":   `<path d="M12 15.5V4.5M7.5 8.5 12 4l4.5 4.5M4.5 20h15"/>`,
	"user":     `<circle cx="12" cy="8" r="4"/><path d="M4 20.5c.5-5 3.5-7 8-7s7.5 2 8 7"/>`,
	"users":    `<circle cx="9" cy="8.5" r="3.5"/><path d="M2.5 20c.4-4.400 3-6 6.5-6s6.100 1.600 6.5 6M15 5.200a3.5 3.5 0 0 1 0 6.600M17.5 14.5c2.300.7 3.700 2.400 4 5.5"/>`,
	"whatsapp": `<path d="m3.5 20.5 1.300-4.300A8.5 8.5 0 1 1 8 19.300z"/><path d="M9 8.200c-1 1-.5 3 1.5 5s4.200 2.600 5.200 1.600l.3-1-2-1.100-1 .9c-1-.4-1.800-1.200-2.300-2.300l.9-.9-1.200-2.200z"/>`,
	"zoom":     `<circle cx="10.5" cy="10.5" r="6.5"/><path d="m15.5 15.5 5 5M10.5 8v5M8 10.5h5"/>`,
}

// turned icons point the other way in right-to-left scripts.
var turned = []string{"back", "forward", "next", "prev", "undo", "return", "external"}

// IconNames lists every icon there is, sorted.
func IconNames() []string {
	names := make([]string, 0, len(icons))
	for n := range icons {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// Icon draws an icon as decoration, hidden from assistive technology: words
// stand beside it, or use [IconLabel]. Extra classes such as "icon-l" may
// follow. An unknown name panics, since names are constants of the program.
func Icon(name string, classes ...string) templ.Component {
	return templ.ComponentFunc(func(_ context.Context, w io.Writer) error {
		body, class := iconOf(name, classes)
		_, err := fmt.Fprintf(w, `<svg class="%s" viewBox="0 0 24 24" aria-hidden="true" focusable="false">%s</svg>`, class, body)
		return err
	})
}

// IconLabel draws an icon that stands alone and says what it means.
func IconLabel(name, label string, classes ...string) templ.Component {
	return templ.ComponentFunc(func(_ context.Context, w io.Writer) error {
		body, class := iconOf(name, classes)
		_, err := fmt.Fprintf(w, `<svg class="%s" viewBox="0 0 24 24" role="img" aria-label="%s">%s</svg>`, class, templ.EscapeString(label), body)
		return err
	})
}

func iconOf(name string, classes []string) (body, class string) {
	body, ok := icons[name]
	if !ok {
		panic("design: no icon named " + name)
	}
	all := append([]string{"icon"}, classes...)
	if slices.Contains(turned, name) {
		all = append(all, "icon-flip")
	}
	return body, strings.Join(all, " ")
}
