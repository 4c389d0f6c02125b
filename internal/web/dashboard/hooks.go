package dashboard

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	"haat/internal/hook"
	"haat/internal/op"
	"haat/internal/web"
)

var topicLabels = map[string]string{
	"order.placed": "An order is placed", "order.accepted": "An order is accepted", "order.paid": "An order is paid",
	"order.fulfilled": "An order is sent", "order.cancelled": "An order is cancelled",
	"product.saved": "A product is added or changed, its price too", "product.deleted": "A product is deleted",
}

// topics lists what a webhook may be told of, with what the form says if there
// is one, else with what it is told.
func (d *desk) topics(told []string) (out []Topic) {
	if d.r.Method == http.MethodPost && d.form("url") != "" {
		told = d.r.Form["topic"]
	}
	for _, t := range hook.Topics {
		out = append(out, Topic{Value: t, Label: topicLabels[t], On: slices.Contains(told, t)})
	}
	return out
}

var hookFields = map[string]string{"/url": "url", "/topics": "topics", "/topics/0": "topics"}

func hookStatus(h hook.Hook) Status {
	switch {
	case h.State == hook.Off && h.Why != "":
		return Status{"Turned off by us", "bad"}
	case h.State == hook.Off:
		return Status{"Off", ""}
	case h.Failing != nil:
		return Status{"Takes nothing", "warn"}
	}
	return Status{"On", "good"}
}

func (d *desk) webhooks() error { return d.showWebhooks(http.StatusOK, nil) }

func (d *desk) showWebhooks(status int, problems Problems) error {
	f, _, err := d.frame("Webhooks", SectionSettings)
	if err != nil {
		return err
	}
	all, err := hook.List.Do(d.ctx(), d.room, d.by, op.Page{Limit: 250})
	if err != nil {
		return err
	}
	v := Webhooks{Frame: f, URL: d.typed("url", ""), Topics: d.topics([]string{"order.placed"}), Problems: problems}
	for _, h := range all.Items {
		note := plural(int64(len(h.Topics)), "topic")
		if h.Waiting > 0 {
			note += fmt.Sprintf(" · %d waiting", h.Waiting)
		}
		v.Rows = append(v.Rows, WebhookRow{Address: h.URL, Link: d.base + "/settings/webhooks/" + h.ID.String(), Note: note, Status: hookStatus(h)})
	}
	if len(all.Items) >= hook.Most {
		v.Full = fmt.Sprintf("A shop has at most %d webhooks. Delete one that is not needed any more.", hook.Most)
	}
	return d.show(status, v.Page())
}

func (d *desk) addWebhook() error {
	var in hook.CreateIn
	in.Body.URL = d.form("url")
	in.Body.Topics = d.r.Form["topic"]
	made, err := hook.Create.Do(d.ctx(), d.room, d.by, in)
	if f := wrong(err); f != nil {
		return d.showWebhooks(http.StatusUnprocessableEntity, beside(f, hookFields))
	}
	if err != nil {
		return err
	}
	return d.showWebhook(http.StatusOK, made.ID.String(), made.Secret, nil)
}

func (d *desk) webhook() error {
	return d.showWebhook(http.StatusOK, d.r.PathValue("webhook"), "", nil)
}

func (d *desk) showWebhook(status int, which, secret string, problems Problems) error {
	f, _, err := d.frame("Webhook", SectionSettings)
	if err != nil {
		return err
	}
	list, err := hook.ListDeliveries.Do(d.ctx(), d.room, d.by, hook.DeliveriesIn{Hook: which, Page: op.Page{Cursor: d.r.URL.Query().Get("after"), Limit: 50}})
	if err != nil {
		return err
	}
	all, err := hook.List.Do(d.ctx(), d.room, d.by, op.Page{Limit: 250})
	if err != nil {
		return err
	}
	i := slices.IndexFunc(all.Items, func(h hook.Hook) bool { return h.ID.String() == which })
	if i < 0 {
		return web.Back(d.w, d.r, d.base+"/settings/webhooks") // deleted between the two
	}
	h := all.Items[i]
	v := Webhook{
		Frame: f, ID: which, Address: h.URL, URL: h.URL, Status: hookStatus(h), On: h.State == hook.On, Why: h.Why, Secret: secret, Problems: problems,
		Topics: d.topics(h.Topics), Pager: d.pager("/settings/webhooks/"+which, list.Next),
	}
	if problems != nil {
		v.URL = d.form("url")
	}
	if h.Failing != nil && v.On {
		v.Failing = *h.Failing
	}
	if h.Waiting > 0 {
		v.Waiting = fmt.Sprintf("%d waiting", h.Waiting)
	}
	for _, x := range list.Items {
		r := DeliveryRow{ID: x.ID.String(), Topic: x.Topic, At: x.At, Note: x.Error, Body: string(x.Body), Again: v.On, Drop: x.State == "waiting"}
		var b bytes.Buffer
		if json.Indent(&b, x.Body, "", "  ") == nil {
			r.Body = b.String()
		}
		switch x.State {
		case "sent":
			r.Status = Status{"Taken", "good"}
		case "failed":
			r.Status = Status{"Given up", "bad"}
		case "dropped":
			r.Status = Status{"Dropped", ""}
		default:
			r.Status = Status{"Waiting", "warn"}
			if x.Attempts > 0 {
				r.Note += fmt.Sprintf(" Tried %s.", plural(x.Attempts, "time"))
			}
		}
		v.Rows = append(v.Rows, r)
	}
	return d.show(status, v.Page())
}

func (d *desk) changeWebhook() error {
	which := d.r.PathValue("webhook")
	at, in, said := "/settings/webhooks/"+which, hook.ChangeIn{Hook: which}, "Saved."
	var err error
	switch d.form("do") {
	case "test":
		_, err = hook.Test.Do(d.ctx(), d.room, d.by, hook.HookIn{Hook: which})
		said = "A test is on its way. Load this page again to see what was said."
	case "delete":
		_, err = hook.Delete.Do(d.ctx(), d.room, d.by, hook.HookIn{Hook: which})
		at, said = "/settings/webhooks", "Deleted."
	case "on", "off":
		state := hook.State(d.form("do"))
		in.Body.State = &state
		_, err = hook.Change.Do(d.ctx(), d.room, d.by, in)
		said = map[hook.State]string{hook.On: "Turned on. What has waited is sent first.", hook.Off: "Turned off."}[state]
	default:
		address, topics := d.form("url"), append([]string{}, d.r.Form["topic"]...)
		in.Body.URL, in.Body.Topics = &address, &topics
		_, err = hook.Change.Do(d.ctx(), d.room, d.by, in)
	}
	if f := wrong(err); f != nil {
		return d.showWebhook(http.StatusUnprocessableEntity, which, "", beside(f, hookFields))
	}
	if err != nil {
		return err
	}
	return d.back(at, Flash{Text: said})
}

func (d *desk) redeliver() error {
	in, said := hook.DeliveryIn{Hook: d.r.PathValue("webhook"), Delivery: d.r.PathValue("delivery")}, "It is sent again."
	var err error
	if d.form("do") == "drop" {
		_, err = hook.Drop.Do(d.ctx(), d.room, d.by, in)
		said = "Dropped. What was behind it goes on."
	} else {
		_, err = hook.Replay.Do(d.ctx(), d.room, d.by, in)
	}
	if f := wrong(err); f != nil {
		return d.back("/settings/webhooks/"+in.Hook, Flash{Text: f.Message, Kind: "bad"})
	}
	if err != nil {
		return err
	}
	return d.back("/settings/webhooks/"+in.Hook, Flash{Text: said})
}
