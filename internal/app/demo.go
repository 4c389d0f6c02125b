package app

import (
	"context"
	"fmt"
	"image"
	"io"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"haat/internal/catalog"
	"haat/internal/db"
	"haat/internal/fault"
	"haat/internal/fleet"
	"haat/internal/id"
	"haat/internal/media"
	"haat/internal/media/draw"
	"haat/internal/money"
	"haat/internal/op"
	"haat/internal/order"
	"haat/internal/shop"
)

const (
	demoSlug  = "demo"
	demoEmail = "demo@example.com"
)

type demoCmd struct{ Config }

// Run serves with a demo shop, which it makes at the first start.
func (c *demoCmd) Run(ctx context.Context, out io.Writer) error {
	c.Dev = true
	return serve(ctx, c.Config, out, func(a *App) (string, error) {
		// The shop opens at once; its shelves fill while the first visitor looks.
		fill, err := a.openDemo(ctx)
		if err != nil {
			return "", fmt.Errorf("make the demo shop: %w", err)
		}
		a.workers.Go(func() {
			if err := fill(a.ctx); err != nil && a.ctx.Err() == nil {
				a.log.Error("the demo shop could not be filled", "err", err)
			}
			debug.FreeOSMemory() // what only the drawing has needed
		})
		return fmt.Sprintf("  Demo shop  %s\n  Merchant   %s/shops/%s (sign in as %s; the code is shown here and at %s/dev/messages)\n",
			a.cfg.ShopURL(demoSlug), a.cfg.URL, demoSlug, demoEmail, a.cfg.URL), nil
	})
}

// openDemo opens the demo shop and gives what fills it, which goes on where an
// earlier start stopped.
func (a *App) openDemo(ctx context.Context) (fill func(context.Context) error, err error) {
	who, err := shop.ParseContact("", demoEmail, "IN")
	if err != nil {
		return nil, err
	}
	account, err := a.accounts.Ensure(ctx, who)
	if err != nil {
		return nil, err
	}
	s := shop.Defaults("Mitti & Moss", "IN", "INR")
	s.Phone, s.WhatsApp, s.Email = "+919876543210", "+919876543210", "hello@mitti.example"
	s.Address = "14 Church Street\nBengaluru 560001"
	s.UPI = shop.UPI{VPA: "mitti@okbank", Payee: "Mitti and Moss"}
	s.Delivery.Charge, s.Delivery.FreeAbove = 60_00, 999_00
	s.Theme.Accent, s.Theme.Background, s.Theme.Text, s.Theme.Font = "#9a3f22", "#fffdf9", "#241b16", "serif"
	s.Theme.Tagline = "Slow things for a quick house: made by hand in small workshops across India."
	s.Theme.Sections = []shop.Section{
		{Kind: "banner", Title: "Made slowly, kept long", Text: "Pots, cloth and lamps from seven small workshops across India.", Collection: "handmade"},
		{Kind: "featured", Title: "Made by hand", Collection: "handmade"},
		{Kind: "collections", Title: "Look around"},
		{Kind: "featured", Title: "For a dinner you are invited to", Collection: "gifts"},
		{Kind: "text", Title: "Who makes this", Text: "Seven workshops, about forty pairs of hands.\n\nWe visit each of them twice a year, pay before things are made, and say so when something is late."},
	}
	room, err := a.accounts.Demo(ctx, account, demoSlug, s)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) error {
		return a.fillDemo(ctx, room, op.Caller{Account: account, Shop: room.Shop()})
	}, nil
}

func (a *App) fillDemo(ctx context.Context, room *fleet.Room, by op.Caller) error {
	if err := a.demoBanner(ctx, room, by); err != nil {
		return err
	}
	var first []catalog.Details
	for _, g := range demoGoods {
		d, err := a.demoProduct(ctx, room, by, g)
		if err != nil {
			return fmt.Errorf("%s: %w", g.title, err)
		}
		first = append(first, d)
	}
	for _, c := range demoCollections {
		var in catalog.NewCollection
		in.Body = catalog.CollectionInput{Title: &c.title, Handle: &c.handle, Description: &c.about}
		if c.tag != "" {
			in.Body.Rule = &catalog.Rule{Conditions: []catalog.Condition{{Field: "tag", Is: "equals", Value: c.tag}}}
		}
		var picked []id.Product
		for _, drawing := range c.hand {
			i := slices.IndexFunc(demoGoods, func(g demoGood) bool { return g.drawing == drawing })
			picked = append(picked, first[i].ID)
		}
		if picked != nil {
			in.Body.Products = &picked
		}
		if _, err := catalog.CreateCollection.Do(ctx, room, by, in); err != nil && !fault.Is(err, fault.KindConflict) {
			return err
		}
	}
	return a.demoOrders(ctx, room, by, first)
}

// demoBanner hangs up the banner and writes the policies, once.
func (a *App) demoBanner(ctx context.Context, room *fleet.Room, by op.Caller) error {
	if s, err := shop.ForPage.Do(ctx, room, by, shop.PageIn{}); err != nil || s.Theme.Banner != "" {
		return err
	}
	p := demoPolicies
	texts := shop.Change{Body: shop.Changes{Policies: &shop.PolicyChanges{Returns: &p.returns, Shipping: &p.shipping, Privacy: &p.privacy, Terms: &p.terms}}}
	if _, err := a.office.Change.Do(ctx, room, by, texts); err != nil {
		return err
	}
	b, err := draw.PNG(draw.Banner(1, 1440, 600))
	if err != nil {
		return err
	}
	m, err := a.pictures.Add(ctx, room.Shop(), b)
	if err != nil {
		return err
	}
	_, err = room.Change(ctx, func(tx *db.Tx) error {
		s, err := shop.Of(ctx, tx)
		if err != nil || s.Theme.Banner != "" {
			return err
		}
		s.Theme.Banner = m.Hash
		if err := media.Save(ctx, tx, m); err != nil {
			return err
		}
		return shop.Write(ctx, tx, s)
	})
	return err
}

// demoProduct makes a product unless it is there.
func (a *App) demoProduct(ctx context.Context, room *fleet.Room, by op.Caller, g demoGood) (d catalog.Details, err error) {
	list, err := catalog.ListProducts.Do(ctx, room, by, catalog.ListIn{Query: g.title})
	if err != nil {
		return d, err
	}
	for _, p := range list.Items {
		if p.Title == g.title {
			return catalog.GetProduct.Do(ctx, room, by, catalog.ProductIn{Product: p.ID.String()})
		}
	}
	var images []catalog.ImageInput
	picture := func(img image.Image, alt string) error {
		b, err := draw.PNG(img)
		if err != nil {
			return err
		}
		m, err := a.pictures.Add(ctx, room.Shop(), b)
		if err != nil {
			return err
		}
		_, err = room.Change(ctx, func(tx *db.Tx) error { return media.Save(ctx, tx, m) })
		images = append(images, catalog.ImageInput{Hash: m.Hash, Alt: alt})
		return err
	}
	hues := g.hues // the first pictures are those of the values, in their order
	if hues == nil {
		hues = []int{g.palette}
	}
	for i, hue := range hues {
		alt := g.title
		if g.hues != nil {
			alt += ", " + strings.ToLower(g.values[i])
		}
		if err := picture(draw.Product(g.drawing, hue, 960), alt); err != nil {
			return d, err
		}
	}
	if g.with != "" {
		if err := picture(draw.Pair(g.drawing, g.with, hues[0], 960), g.title+" beside other things"); err != nil {
			return d, err
		}
	}
	if err := picture(draw.Detail(g.drawing, hues[0], 960), g.title+" from nearby"); err != nil {
		return d, err
	}
	about := "<p>" + g.about + "</p><p>" + g.material + "</p>"
	in := catalog.CreateIn{Body: catalog.ProductInput{
		Title: &g.title, Description: &about, Vendor: &g.vendor, Type: &g.kind, Tags: &g.tags, Images: &images,
	}}
	variants := []catalog.VariantInput{}
	add := func(i int, options []string) {
		v := catalog.VariantInput{Options: options, Price: rupees(g.price + int64(i)*g.step), WeightGrams: g.grams, SKU: fmt.Sprintf("MM-%s-%d", g.drawing, i+1)}
		if g.was > 0 {
			was := rupees(g.was + int64(i)*g.step)
			v.CompareAt = &was
		}
		if g.hues != nil {
			v.Image = images[i].Hash
		}
		left := max(0, g.stock-int64(i)*3)
		v.Available = &left
		variants = append(variants, v)
	}
	if g.option == "" {
		add(0, nil)
	} else {
		in.Body.Options = &[]catalog.Option{{Name: g.option, Values: g.values}}
		for i, v := range g.values {
			add(i, []string{v})
		}
	}
	in.Body.Variants = &variants
	return catalog.CreateProduct.Do(ctx, room, by, in)
}

// demoOrders places a few orders, so that the dashboard has something to show.
func (a *App) demoOrders(ctx context.Context, room *fleet.Room, by op.Caller, goods []catalog.Details) error {
	counts, err := order.CountOrders.Do(ctx, room, by, op.Empty{})
	if err != nil || counts.All > 0 {
		return err
	}
	for i, p := range []struct {
		name, phone, line, city, state, pin string
		method                              order.Method
	}{
		{"Meera Iyer", "98450 11223", "22 2nd Cross, Indiranagar", "Bengaluru", "Karnataka", "560038", order.CashOnDelivery},
		{"Arjun Mehta", "98200 44556", "7 Hill Road, Bandra West", "Mumbai", "Maharashtra", "400050", order.UPI},
		{"Fatima Sheikh", "98490 77889", "3-6-291 Hyderguda", "Hyderabad", "Telangana", "500029", order.CashOnDelivery},
		{"Rohan Das", "98300 99001", "41 Southern Avenue", "Kolkata", "West Bengal", "700029", order.CashOnDelivery},
	} {
		in := order.PlaceIn{Body: order.PlaceBody{
			Payment: p.method, Contact: &order.Contact{Name: p.name, Phone: p.phone},
			ShippingAddress: &order.Address{Name: p.name, Line1: p.line, City: p.city, State: p.state, PostalCode: p.pin, Country: "IN"},
		}}
		for j := range 1 + i%2 {
			in.Body.Lines = append(in.Body.Lines, order.Wanted{Variant: goods[(i*4+j*3)%len(goods)].Variants[0].ID.String(), Quantity: int64(1 + i%2)})
		}
		placed, err := order.Place.Do(ctx, room, op.Caller{}, in)
		if err != nil {
			return err
		}
		if i == 0 {
			if _, err := order.Accept.Do(ctx, room, by, order.OrderIn{Order: placed.ID.String()}); err != nil {
				return err
			}
		}
	}
	wait, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	_ = a.bus.Settle(wait) // so that the first look at the dashboard has them
	return nil
}

func rupees(n int64) money.Money { return money.Money{Amount: n * 100, Currency: "INR"} }
