package dashboard

import (
	"bytes"
	"context"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"

	"haat/internal/api"
	"haat/internal/catalog"
	"haat/internal/event"
	"haat/internal/fault"
	"haat/internal/order"
	"haat/internal/shop"
)

const (
	streamFor = time.Hour              // then the browser connects again, where it was
	beat      = 15 * time.Second       // so often a silent stream says that it is there
	soon      = 200 * time.Millisecond // the sums follow an order by a moment
	later     = 2 * time.Second        // and by more when much is going on
)

// live keeps an open dashboard up to date: orders as they come, and the
// figures a moment later, when the sums have them, and once visits are written.
func (d *desk) live() error {
	after, err := d.position()
	if err != nil {
		return err
	}
	f, s, err := d.around("", SectionToday)
	if err != nil {
		return err
	}
	leave, err := d.Bus.Seat(d.room.Shop())
	if err != nil {
		return err
	}
	defer leave()
	stream, err := api.OpenStream(d.w)
	if err != nil {
		return nil // gone already
	}
	ctx, cancel := context.WithTimeout(d.ctx(), streamFor)
	defer cancel()
	v := &viewer{desk: d, frame: f, settings: s, stream: stream}
	events := d.follow(ctx, after)
	visits, rest := d.Visits.Watch(d.room.Shop())
	defer rest()
	if after < 0 { // what came between the page and this connection
		if err := v.latest(); err != nil {
			return nil
		}
	}
	tell, again, silent := time.NewTimer(0), time.NewTimer(later), time.NewTicker(beat)
	defer tell.Stop()
	defer again.Stop()
	defer silent.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-d.Stop:
			return nil
		case e, open := <-events:
			if !open {
				return nil
			}
			if !strings.HasPrefix(e.Topic, "order.") {
				continue
			}
			err = v.order(e)
			tell.Reset(soon)
			again.Reset(later)
		case <-visits:
			tell.Reset(0)
			again.Reset(later)
		case <-tell.C:
			err = v.figures()
		case <-again.C:
			err = v.figures()
		case <-silent.C:
			if _, err = d.caller(d.r, d.room); err == nil { // still signed in
				err = v.figures()
			}
			if err == nil {
				err = stream.Send("", "beat", struct{}{})
			}
		}
		if err != nil {
			return nil // the screen has gone, or may see no more
		}
	}
}

// position is where a screen that connects again was; negative for a new one.
func (d *desk) position() (int64, error) {
	text := d.r.Header.Get("Last-Event-ID")
	if text == "" {
		return -1, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0, fault.Invalid("", "This is not the id of an event.")
	}
	return n, nil
}

func (d *desk) follow(ctx context.Context, after int64) <-chan event.Envelope {
	events := make(chan event.Envelope)
	go func() {
		defer close(events)
		err := d.Bus.Follow(ctx, d.room, after, func(e event.Envelope) error {
			select {
			case events <- e:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
		if err != nil && ctx.Err() == nil {
			d.Log.Error("a live screen lost its shop's events", "shop", d.room.Slug(), "err", err)
		}
	}()
	return events
}

// viewer is one open screen.
type viewer struct {
	*desk
	frame    Frame
	settings shop.Settings
	stream   *api.Stream
	shown    figures // what the screen was told last
}

func (v *viewer) figures() error {
	now, err := v.desk.figures(v.frame, v.settings)
	if err != nil {
		return err
	}
	at := now.Numbers.UpdatedAt
	now.Numbers.UpdatedAt = v.shown.Numbers.UpdatedAt
	if reflect.DeepEqual(now.Numbers, v.shown.Numbers) && reflect.DeepEqual(now.Hours.Today, v.shown.Hours.Today) {
		return nil
	}
	now.Numbers.UpdatedAt = at
	v.shown = now
	if err := v.part("today-numbers", now.Numbers.Draw()); err != nil {
		return err
	}
	return v.part("today-hours", now.Hours.Draw())
}

func (v *viewer) part(id string, c templ.Component) error {
	html, err := v.html(c)
	if err != nil {
		return err
	}
	return v.stream.Send("", "part", map[string]string{"id": id, "html": html})
}

// order shows an order as it is now: at the top of the list if it is new, else
// in its place.
func (v *viewer) order(e event.Envelope) error {
	o, err := order.GetOrder.Do(v.ctx(), v.room, v.by, order.OrderIn{Order: e.Key})
	if err != nil {
		return err
	}
	return v.row(strconv.FormatInt(e.Seq, 10), e.Topic == order.OrderPlaced{}.Topic(), order.Summary{
		ID: o.ID, Number: o.Number, Status: o.Status, Payment: o.Payment, Name: o.Contact.Name, City: o.ShippingAddress.City, Items: o.Items, Total: o.Total, PlacedAt: o.PlacedAt,
	})
}

// latest shows the orders of the last moments, which the page may not have.
func (v *viewer) latest() error {
	list, err := order.RecentOrders.Do(v.ctx(), v.room, v.by, order.RecentIn{Limit: 8})
	if err != nil {
		return err
	}
	for i := len(list.Items) - 1; i >= 0; i-- {
		if o := list.Items[i]; time.Since(o.PlacedAt) < time.Minute {
			if err := v.row("", true, o); err != nil {
				return err
			}
		}
	}
	return nil
}

func (v *viewer) row(id string, isNew bool, o order.Summary) error {
	counts, err := order.CountOrders.Do(v.ctx(), v.room, v.by, struct{}{})
	if err != nil {
		return err
	}
	v.frame.Now = time.Now()
	row := v.rows(v.settings, []order.Summary{o})[0]
	html, err := v.html(row.Draw(v.frame))
	if err != nil {
		return err
	}
	return v.stream.Send(id, "order", map[string]any{
		"html": html, "said": fmt.Sprintf("Order %s from %s, %s", row.Number, row.Customer, row.Total), "waiting": counts.Placed, "new": isNew,
	})
}

func (d *desk) html(c templ.Component) (string, error) {
	var b bytes.Buffer
	err := c.Render(d.ctx(), &b)
	return b.String(), err
}

// liveImport shows how far an import is until it is done, its pictures too.
func (d *desk) liveImport() error {
	in := catalog.ImportIn{Import: d.r.PathValue("import")}
	x, err := catalog.GetImport.Do(d.ctx(), d.room, d.by, in)
	if err != nil {
		return err
	}
	f, _, err := d.around("Import", SectionImport)
	if err != nil {
		return err
	}
	leave, err := d.Bus.Seat(d.room.Shop())
	if err != nil {
		return err
	}
	defer leave()
	stream, err := api.OpenStream(d.w)
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(d.ctx(), streamFor)
	defer cancel()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for shown := ""; ; {
		v := d.importView(f, x)
		html, err := d.html(v.Progress())
		if err == nil && html != shown {
			err = stream.Send("", "inside", map[string]string{"id": "import", "html": html})
			shown = html
		}
		if err == nil && v.liveURL() == "" {
			err = stream.Send("", "end", struct{}{})
			if err == nil {
				return nil
			}
		}
		if err != nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-d.Stop:
			return nil
		case <-tick.C:
		}
		if x, err = catalog.GetImport.Do(ctx, d.room, d.by, in); err != nil {
			return nil
		}
		if _, err = d.caller(d.r, d.room); err != nil {
			return nil
		}
	}
}
