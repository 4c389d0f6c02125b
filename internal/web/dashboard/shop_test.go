package dashboard

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"haat/internal/catalog"
	"haat/internal/customer"
	"haat/internal/fleet"
	"haat/internal/hook"
	"haat/internal/id"
	"haat/internal/media/draw"
	"haat/internal/op"
	"haat/internal/order"
	"haat/internal/shop"
)

// Every page and form of a shop is nothing to another merchant, and asks who
// is not signed in to sign in; and one's own shop has nothing of another's.
func TestAShopIsNobodyElses(t *testing.T) {
	onPlatform(t, func(t *testing.T, p *platform) {
		mine, room := p.merchant(t, "a@haat.test", "First")
		other, second := p.merchant(t, "b@haat.test", "Second")
		nobody := p.browser(t)
		d := newProduct(t, room, "Mug", 449_00, 5)
		o := placed(t, room, d, 1)
		title := "Kitchen"
		c, err := catalog.CreateCollection.Do(t.Context(), room, owner(room), catalog.NewCollection{Body: catalog.CollectionInput{Title: &title, Products: &[]id.Product{d.ID}}})
		if err != nil {
			t.Fatal(err)
		}
		people, err := p.Desk.List.Do(t.Context(), room, owner(room), customer.Search{})
		if err != nil || len(people.Items) != 1 {
			t.Fatalf("%d customers, %v", len(people.Items), err)
		}
		imported := mine.upload("/shops/first/import", fields("dry_run", "1"), file{"file", "goods.csv", []byte("Handle,Title,Variant Price\nbowl,Bowl,390\n")}).to()
		var wanted hook.CreateIn
		wanted.Body.URL, wanted.Body.Topics = "https://shop.invalid/haat", []string{"order.placed"}
		told, err := hook.Create.Do(t.Context(), room, owner(room), wanted)
		if err == nil {
			_, err = hook.Test.Do(t.Context(), room, owner(room), hook.HookIn{Hook: told.ID.String()})
		}
		if err != nil {
			t.Fatal(err)
		}
		deliveries, err := hook.ListDeliveries.Do(t.Context(), room, owner(room), hook.DeliveriesIn{Hook: told.ID.String()})
		if err != nil || len(deliveries.Items) != 1 {
			t.Fatalf("%d deliveries, %v", len(deliveries.Items), err)
		}
		fill := strings.NewReplacer("{webhook}", told.ID.String(), "{delivery}", deliveries.Items[0].ID.String(), "{product}", d.ID.String(), "{order}", o.ID.String(), "{collection}", c.ID.String(), "{customer}", people.Items[0].ID.String(),
			"{import}", imported[strings.LastIndexByte(imported, '/')+1:])
		if len(p.routes) < 40 {
			t.Fatalf("only %d routes", len(p.routes))
		}
		for _, pattern := range p.routes {
			method, path, _ := strings.Cut(fill.Replace(pattern), " ")
			if got := other.do(method, "/shops/first"+path, nil, ""); got.StatusCode != 404 || strings.Contains(got.body, "Mug") {
				t.Errorf("%s is %d to another merchant", pattern, got.StatusCode)
			}
			got := nobody.do(method, "/shops/first"+path, nil, "")
			if got.StatusCode != http.StatusSeeOther || !strings.HasPrefix(got.Header.Get("Location"), "/signin?next=%2Fshops") {
				t.Errorf("%s is %d %s to nobody", pattern, got.StatusCode, got.Header.Get("Location"))
			}
			if strings.Contains(pattern, "{") {
				if got := other.do(method, "/shops/second"+path, nil, ""); got.StatusCode != 404 || strings.Contains(got.body, "Mug") {
					t.Errorf("%s of another shop is %d in one's own", pattern, got.StatusCode)
				}
				junk := strings.NewReplacer(d.ID.String(), "x", o.ID.String(), "x", c.ID.String(), "x", people.Items[0].ID.String(), "x").Replace(path)
				if got := mine.do(method, "/shops/first"+junk, nil, ""); junk != path && got.StatusCode != 404 {
					t.Errorf("%s with an id that is none is %d", pattern, got.StatusCode)
				}
			}
		}
		stands, err := order.GetOrder.Do(t.Context(), room, owner(room), order.OrderIn{Order: o.ID.String()})
		if err != nil || stands.Status != order.StatusPlaced {
			t.Errorf("the order is %s, %v", stands.Status, err)
		}
		if n, err := catalog.CountProducts(t.Context(), second); err != nil || n != 0 {
			t.Errorf("the other shop has %d products, %v", n, err)
		}
		// To its own merchant every page is there.
		for _, pattern := range p.routes {
			method, path, _ := strings.Cut(fill.Replace(pattern), " ")
			if method != "GET" || strings.HasSuffix(path, "/live") {
				continue
			}
			mine.get("/shops/first" + path).status(200)
		}
	})
}

func TestFormsFromOtherSitesAreRefused(t *testing.T) {
	onPlatform(t, func(t *testing.T, p *platform) {
		b, room := p.merchant(t, "a@haat.test", "Mine")
		for _, path := range []string{"/signout", "/shops/mine/settings/payments", "/shops/mine/products/new"} {
			b.do("POST", path, strings.NewReader("cod=&vpa="), "application/x-www-form-urlencoded", "Sec-Fetch-Site", "cross-site").status(403)
			b.do("POST", path, strings.NewReader("cod=&vpa="), "application/x-www-form-urlencoded", "Origin", "https://evil.test").status(403)
		}
		if !settingsOf(t, room).COD {
			t.Error("a form from elsewhere changed the shop")
		}
		b.get("/shops/mine").status(200)
	})
}

func settingsOf(t *testing.T, room *fleet.Room) shop.Settings {
	t.Helper()
	s, err := shop.ForPage.Do(t.Context(), room, owner(room), shop.PageIn{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAnOrderFromAcceptingToCancelling(t *testing.T) {
	onPlatform(t, func(t *testing.T, p *platform) {
		b, room := p.merchant(t, "a@haat.test", "Mine")
		mug := newProduct(t, room, "Mug", 449_00, 5)
		at := "/shops/mine/orders/" + placed(t, room, mug, 2).ID.String()

		b.get("/shops/mine/orders").status(200).has("Meera Iyer", "₹898")
		b.get("/shops/mine/orders?state=placed&q=meera").status(200).has("Meera Iyer")
		b.get("/shops/mine/orders?q=nobody").status(200).lacks("Meera Iyer")
		b.get(at).status(200).has("Mug", "₹898.00", "22 2nd Cross", "+91 98450 11223", "/accept")
		b.post(at + "/accept").status(http.StatusSeeOther)
		b.get(at).status(200).has("Order accepted.", "/fulfil").lacks(at + "/accept\"")
		b.post(at + "/accept").status(422)
		b.post(at+"/fulfil", "carrier", "Delhivery", "tracking", "DL 42", "link", "javascript:alert(1)").status(422).has(`value="Delhivery"`, `value="DL 42"`, `id="link-error"`)
		b.post(at+"/note", "note", strings.Repeat("x", 5000)).status(422)
		b.post(at+"/note", "note", "Ring twice & wait").status(http.StatusSeeOther)
		b.post(at+"/fulfil", "carrier", "Delhivery", "tracking", "DL42", "link", "https://track.example/DL42").status(http.StatusSeeOther)
		b.post(at + "/paid").status(http.StatusSeeOther)
		b.get(at).status(200).has("Ring twice &amp; wait", "DL42", "Sent", "Paid")
		b.get("/shops/mine/customers").status(200).has("Meera Iyer", "₹898")

		late := "/shops/mine/orders/" + placed(t, room, mug, 3).ID.String()
		b.post(late+"/cancel", "reason", "Out of stock", "restock", "1").status(http.StatusSeeOther)
		b.get(late).status(200).has("Cancelled", "Out of stock")
		now, err := catalog.GetProduct.Do(t.Context(), room, owner(room), catalog.ProductIn{Product: mug.ID.String()})
		if err != nil || now.Variants[0].Available != 3 {
			t.Errorf("%d mugs are left, %v", now.Variants[0].Available, err)
		}
	})
}

func photoOf(t *testing.T, palette int) []byte {
	t.Helper()
	b, err := draw.PNG(draw.Product("mug", palette, 320))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestQuickAdd(t *testing.T) {
	onPlatform(t, func(t *testing.T, p *platform) {
		b, room := p.merchant(t, "a@haat.test", "Mine")
		photo := photoOf(t, 1)
		b.upload("/shops/mine/quick", fields("title", "Mug", "price", "a lot"), file{"photo", "mug.png", photo}).
			status(422).has(`value="Mug"`, `value="a lot"`, `id="price-error"`, `name="photo_hash"`)
		b.upload("/shops/mine/quick", fields("title", "Mug", "price", "449"), file{"photo", "mug.png", []byte("no picture at all")}).status(422).has(`href="#photo"`)
		at := b.upload("/shops/mine/quick", fields("title", "Blue & white mug", "price", "449.50", "stock", "3"), file{"photo", "mug.png", photo}).to()
		b.get(at).status(200).has("Blue &amp; white mug", "http://mine.haat.test/products/blue-white-mug")
		list, err := catalog.ListProducts.Do(t.Context(), room, owner(room), catalog.ListIn{})
		if err != nil || len(list.Items) != 1 {
			t.Fatalf("%d products, %v", len(list.Items), err)
		}
		if x := list.Items[0]; x.Status != catalog.Active || x.Price.Amount != 449_50 || x.Available != 3 || x.Image == nil || x.Image.Alt != "Blue & white mug" {
			t.Errorf("what was added: %+v", x)
		}
	})
}

func TestAProductFromAFormAndBack(t *testing.T) {
	onPlatform(t, func(t *testing.T, p *platform) {
		b, room := p.merchant(t, "a@haat.test", "Mine")
		form := fields("title", "", "description", "Warm.\n\nWashes well & dries.", "status", "active", "vendor", "Bunai", "tags", "gift, warm, gift", "variant-0-price", "12,00", "variant-0-stock", "many")
		b.upload("/shops/mine/products/new", form).status(422).has("Washes well &amp; dries.", `value="12,00"`, `value="many"`, `id="title-error"`, `id="variant-0-stock-error"`)

		form = fields("title", "Shawl", "description", "Warm.\n\nWashes well & dries.<b>", "status", "draft", "option1_name", "Colour", "option1_values", "Red, Blue",
			"variant-0-price", "4200", "variant-0-stock", "9", "variant-0-sku", "SH")
		again := b.upload("/shops/mine/products/new", form).status(422).has("Look at the price and the stock", "variant-1-price")
		again.has(`value="4200"`)
		if n, err := catalog.CountProducts(t.Context(), room); err != nil || n != 0 {
			t.Fatalf("%d products before the variants were looked at, %v", n, err)
		}
		for i, colour := range []string{"Red", "Blue"} {
			row := fmt.Sprintf("variant-%d-", i)
			form.Set(row+"option1", colour)
			form.Set(row+"price", "4200")
			form.Set(row+"stock", strconv.Itoa(3+i))
		}
		at := b.upload("/shops/mine/products/new", form, file{"upload", "1.png", photoOf(t, 1)}, file{"upload", "2.png", photoOf(t, 4)}).to()
		b.get(at).status(200).has("Shawl is saved.", `value="Red, Blue"`, "draft")
		key := at[strings.LastIndexByte(at, '/')+1:]
		d := details(t, room, key)
		if d.Status != catalog.Draft || len(d.Images) != 2 || len(d.Variants) != 2 || d.Variants[1].Available != 4 || d.Variants[1].Title != "Blue" {
			t.Fatalf("stored: %+v", d)
		}

		// The second picture first, with words; the first taken away. Three
		// reds are sold while the form is open: its stock is not touched.
		form = fields("title", "Shawl", "description", "One.\r\n\r\nTwo & three.", "status", "active", "option1_name", "Colour", "option1_values", "Red, Blue",
			"image", d.Images[0].Hash, "image", d.Images[1].Hash, "image_remove", d.Images[0].Hash, "image_alt_"+d.Images[1].Hash, "Folded")
		for i, v := range d.Variants {
			row := fmt.Sprintf("variant-%d-", i)
			for name, value := range map[string]string{"id": v.ID.String(), "option1": v.Options[0], "price": "4100.50", "stock": strconv.FormatInt(v.Available, 10), "was-stock": strconv.FormatInt(v.Available, 10)} {
				form.Set(row+name, value)
			}
		}
		form.Set("variant-1-stock", "40")
		active := catalog.Active
		if _, err := catalog.UpdateProduct.Do(t.Context(), room, owner(room), catalog.UpdateIn{Product: key, Body: catalog.ProductInput{Status: &active}}); err != nil {
			t.Fatal(err)
		}
		placed(t, room, d, 2)
		b.upload(at, form).status(http.StatusSeeOther)
		d = details(t, room, key)
		if d.Description != "<p>One.</p><p>Two &amp; three.</p>" || len(d.Images) != 1 || d.Images[0].Alt != "Folded" {
			t.Errorf("changed: %q %+v", d.Description, d.Images)
		}
		if d.Variants[0].Available != 1 || d.Variants[1].Available != 40 || d.Variants[0].Price.Amount != 4100_50 {
			t.Errorf("changed: %+v", d.Variants)
		}

		b.post(at + "/archive").status(http.StatusSeeOther)
		b.get("/shops/mine/products").status(200).has("Shawl is archived.", at+"/archive", `value="active"`)
		b.post(at+"/archive", "status", "active").status(http.StatusSeeOther)
		if d = details(t, room, key); d.Status != catalog.Active {
			t.Errorf("undone, it is %s", d.Status)
		}
	})
}

func details(t *testing.T, room *fleet.Room, key string) catalog.Details {
	t.Helper()
	d, err := catalog.GetProduct.Do(t.Context(), room, owner(room), catalog.ProductIn{Product: key})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// A hundred variants are more fields than Go takes in one form by itself, and
// options that would make a billion are refused before they are made.
func TestManyVariants(t *testing.T) {
	onPlatform(t, func(t *testing.T, p *platform) {
		b, room := p.merchant(t, "a@haat.test", "Mine")
		values := make([]string, 100)
		form := fields("title", "Tile", "status", "active", "option1_name", "Glaze")
		for i := range values {
			values[i] = "No " + strconv.Itoa(i)
			row := fmt.Sprintf("variant-%d-", i)
			for _, name := range []string{"id", "sku", "barcode", "compare", "cost", "weight", "tax", "was-stock", "option2", "option3", "stock"} {
				form.Set(row+name, "")
			}
			form.Set(row+"option1", values[i])
			form.Set(row+"price", strconv.Itoa(100+i))
		}
		form.Set("option1_values", strings.Join(values, ", "))
		at := b.upload("/shops/mine/products/new", form).to()
		if d := details(t, room, at[strings.LastIndexByte(at, '/')+1:]); len(d.Variants) != 100 || d.Variants[99].Price.Amount != 199_00 {
			t.Errorf("%d variants", len(d.Variants))
		}
		many := strings.Join(values, ",")
		b.upload("/shops/mine/products/new", fields("title", "Tile", "make_variants", "1", "variant-0-price", "1", "option1_name", "A", "option1_values", many,
			"option2_name", "B", "option2_values", many, "option3_name", "C", "option3_values", many)).status(422).has("more than 2048 variants")
	})
}

func TestTheSheetWritesOnlyWhatChanged(t *testing.T) {
	onPlatform(t, func(t *testing.T, p *platform) {
		b, room := p.merchant(t, "a@haat.test", "Mine")
		mug, bowl := newProduct(t, room, "Mug", 449_00, 5), newProduct(t, room, "Bowl", 390_00, 7)
		m, w := mug.Variants[0].ID.String(), bowl.Variants[0].ID.String()
		sheet := fields("q", "a & b", "price-"+m, "449.00", "was-price-"+m, "449.00", "stock-"+m, "5", "was-stock-"+m, "5", "compare-"+m, "", "was-compare-"+m, "",
			"price-"+w, "3x", "was-price-"+w, "390.00", "stock-"+w, "", "was-stock-"+w, "7", "compare-"+w, "450", "was-compare-"+w, "")
		b.get("/shops/mine/products/bulk").status(200).has("price-"+m, "price-"+w)
		post := func() *page {
			return b.do("POST", "/shops/mine/products/bulk", strings.NewReader(sheet.Encode()), "application/x-www-form-urlencoded")
		}
		sheet.Set("q", "")
		post().status(422).has(`value="3x"`, `href="#price-`+w, `href="#stock-`+w)
		sheet.Set("q", "a & b")
		sheet.Set("price-"+w, "399")
		sheet.Set("stock-"+w, "8")
		placed(t, room, mug, 4)
		if to := post().to(); to != "/shops/mine/products/bulk?q=a+%26+b" {
			t.Errorf("it goes on at %s", to)
		}
		mug, bowl = details(t, room, mug.ID.String()), details(t, room, bowl.ID.String())
		if mug.Variants[0].Available != 1 || bowl.Variants[0].Available != 8 || bowl.Variants[0].Price.Amount != 399_00 || bowl.Variants[0].CompareAt.Amount != 450_00 {
			t.Errorf("%+v %+v", mug.Variants[0], bowl.Variants[0])
		}
	})
}

func TestACollectionByHandAndByRule(t *testing.T) {
	onPlatform(t, func(t *testing.T, p *platform) {
		b, room := p.merchant(t, "a@haat.test", "Mine")
		mug, bowl := newProduct(t, room, "Mug", 449_00, 5), newProduct(t, room, "Bowl", 390_00, 7)
		b.post("/shops/mine/collections/new", "title", "Kitchen", "kind", "manual", "find", "mug", "search", "1").status(200).has(mug.ID.String(), `value="Kitchen"`)
		b.post("/shops/mine/collections/new", "title", "", "kind", "manual", "add", mug.ID.String()).status(422).has(`id="title-error"`, mug.ID.String())
		at := b.post("/shops/mine/collections/new", "title", "Kitchen", "kind", "manual", "keep", bowl.ID.String(), "add", mug.ID.String()).to()
		b.get(at).status(200).has("Kitchen is saved: 2 products.", "Mug", "Bowl")
		b.post(at, "title", "Kitchen", "kind", "rule", "match", "any", "field-0", "price", "relation-0", "greater", "value-0", "a lot").status(422).has("a lot")
		b.post(at, "title", "Kitchen", "kind", "rule", "match", "any", "field-0", "price", "relation-0", "greater", "value-0", "400", "field-1", "tag", "relation-1", "equals", "value-1", "").status(http.StatusSeeOther)
		b.get("/shops/mine/collections").status(200).has("Price is above 400.00", "1 product")
		b.post(at + "/remove").status(http.StatusSeeOther)
		b.get(at).status(404)
	})
}

func TestSettings(t *testing.T) {
	onPlatform(t, func(t *testing.T, p *platform) {
		b, room := p.merchant(t, "a@haat.test", "Mine")
		b.post("/shops/mine/settings", "name", "Ours", "phone", "12", "email", "hello@haat.test", "country", "IN", "locale", "en-IN", "timezone", "Asia/Kolkata").
			status(422).has(`value="Ours"`, `value="12"`, `id="phone-error"`, `value="hello@haat.test"`)
		b.post("/shops/mine/settings", "name", "Ours", "phone", "+91 98765 43210", "country", "AE", "currency", "AED", "locale", "en-GB", "timezone", "Asia/Dubai", "returns_policy", "Seven days.", "tagline", "Slow things").
			status(http.StatusSeeOther)
		s := settingsOf(t, room)
		if s.Name != "Ours" || s.Phone != "+919876543210" || s.Currency != "AED" || s.Timezone != "Asia/Dubai" || s.Theme.Tagline != "Slow things" {
			t.Errorf("%+v", s)
		}
		b.get("/shops/mine/settings").status(200).has("Saved.", "Seven days.", "Ours")
		b.post("/shops/mine/settings", "name", "Ours", "currency", "INR", "country", "IN", "timezone", "Asia/Kolkata", "locale", "en-IN").status(http.StatusSeeOther)
		newProduct(t, room, "Mug", 449_00, 1)
		b.get("/shops/mine/settings").status(200).has("It stays, since there are amounts in it.")
		b.post("/shops/mine/settings", "name", "Theirs", "currency", "USD").status(422).has(`value="Theirs"`, `id="currency-error"`)
		b.api("PATCH", "/shops/mine/settings", `{"currency": "USD"}`).status(409).has("currency-fixed", "/currency")
		b.api("PATCH", "/shops/mine/settings", `{"currency": "INR", "name": "Ours"}`).status(200).has(`"currency_fixed":true`)
		if s = settingsOf(t, room); s.Currency != "INR" || s.Name != "Ours" {
			t.Errorf("with prices in INR, there is %s %s", s.Name, s.Currency)
		}
		b.post("/shops/mine/settings", "name", "Ours", "terms_policy", "Be kind.", "privacy_policy", "We keep it.").status(http.StatusSeeOther)
		b.get("/shops/mine/settings").status(200).has("Be kind.", "We keep it.", "Seven days.")
		b.post("/shops/mine/settings", "name", "Ours", "terms_policy", strings.Repeat("x", 50_001)).status(422).has(`id="terms_policy-error"`)
		b.post("/shops/mine/settings", "name", "Ours", "returns_policy", "", "privacy_policy", "").status(http.StatusSeeOther)
		if s = settingsOf(t, room); len(s.Policies) != 1 || s.Policies[0] != "terms" {
			t.Errorf("the policies are %v", s.Policies)
		}

		b.post("/shops/mine/settings/delivery", "charge", "-5", "free_above", "999", "country", "IN").status(422).has(`value="-5"`, `id="charge-error"`, `value="999"`)
		b.post("/shops/mine/settings/delivery", "charge", "60", "free_above", "999").status(422).has(`value="60"`)
		b.post("/shops/mine/settings/delivery", "charge", "60", "free_above", "999", "country", "IN", "country", "NP").status(http.StatusSeeOther)
		if s = settingsOf(t, room); s.Delivery.Charge != 60_00 || s.Delivery.FreeAbove != 999_00 || len(s.Delivery.Countries) != 2 {
			t.Errorf("%+v", s.Delivery)
		}

		b.post("/shops/mine/settings/payments", "cod", "1", "vpa", "not a vpa", "payee", "Ours").status(422).has(`value="not a vpa"`, `id="vpa-error"`, `value="Ours"`)
		b.post("/shops/mine/settings/payments", "vpa", "").status(422).has("Keep one way to pay")
		b.post("/shops/mine/settings/payments", "vpa", "ours@okbank", "payee", "Ours", "hold_hours", "9000").status(422).has(`value="9000"`)
		b.post("/shops/mine/settings/payments", "vpa", "ours@okbank", "payee", "Ours", "hold_hours", "48").status(http.StatusSeeOther)
		if s = settingsOf(t, room); s.COD || s.UPI.VPA != "ours@okbank" || s.HoldHours != 48 {
			t.Errorf("%+v", s)
		}
		b.get("/shops/mine/share/poster").status(200).has("UPI").lacks("Cash on delivery")
	})
}

func TestTheme(t *testing.T) {
	onPlatform(t, func(t *testing.T, p *platform) {
		b, room := p.merchant(t, "a@haat.test", "Mine")
		at := "/shops/mine/settings/theme"
		form := fields("accent", "red", "background", "#ffffff", "text", "#111111", "font", "serif", "tagline", "Slow", "section-0-kind", "banner", "section-0-title", "Made slowly",
			"section-1-kind", "text", "section-1-title", "First", "section-1-position", "-1")
		b.upload(at, form, file{"logo", "logo.png", photoOf(t, 2)}).status(422).has("Made slowly", `name="logo_hash"`)
		form.Set("preset", "Ocean")
		b.upload(at, form).status(200).has("#0f5c8c", "Made slowly")
		form.Del("preset")
		form.Set("accent", "#0f5c8c")
		b.upload(at, form, file{"logo", "logo.png", photoOf(t, 2)}, file{"banner", "x.svg", []byte("<svg onload=alert(1)>")}).status(422).has("Made slowly")
		b.upload(at, form, file{"logo", "logo.png", photoOf(t, 2)}).status(http.StatusSeeOther)
		s := settingsOf(t, room)
		if s.Theme.Accent != "#0f5c8c" || s.Theme.Font != "serif" || s.Theme.Logo == "" || len(s.Theme.Sections) != 2 || s.Theme.Sections[0].Title != "First" {
			t.Errorf("%+v", s.Theme)
		}
		if got := b.get(at).status(200); !strings.Contains(got.Header.Get("Content-Security-Policy"), "frame-src 'self'") {
			t.Errorf("the editor cannot frame its preview: %s", got.Header.Get("Content-Security-Policy"))
		}
		got := b.get(at+"/preview?accent=%23112233&font=mono").status(200).has("Made slowly", `href="/shops/mine/settings/theme/preview.css?accent=%23112233&amp;font=mono"`)
		if policy := got.Header.Get("Content-Security-Policy"); strings.Contains(policy, "script-src") || !strings.Contains(policy, "frame-ancestors 'self'") || strings.Contains(got.body, ` src="/assets/storefront`) {
			t.Errorf("the preview may run scripts: %s", policy)
		}
		b.get(at + "/preview.css?accent=%23112233").status(200).has("#112233")
		b.get(at + "/preview.css?accent=" + url.QueryEscape("red;}*{display:none")).status(200).lacks("display:none")
	})
}

func TestImport(t *testing.T) {
	onPlatform(t, func(t *testing.T, p *platform) {
		b, room := p.merchant(t, "a@haat.test", "Mine")
		b.upload("/shops/mine/import", fields("dry_run", "0")).status(422).has(`href="#file"`)
		b.upload("/shops/mine/import", fields("dry_run", "0"), file{"file", "x.csv", []byte("nothing,of,ours\n1,2,3\n")}).status(422).has(`href="#file"`)
		csv := []byte("Handle,Title,Variant Price\nmug,Mug,449\nbowl,Bowl,=2+3\n")
		for _, run := range []struct{ dry, said string }{{"1", "nothing was changed yet"}, {"0", "Done"}} {
			at := b.upload("/shops/mine/import", fields("dry_run", run.dry), file{"file", "goods.csv", csv}).to()
			b.stream(at+"/live", func(name, _ string) bool { return name == "end" })
			b.get(at).status(200).has("goods.csv", run.said, "Price")
			b.get(at+"/errors.csv").status(200).has("bowl", "Line,Column")
		}
		if n, err := catalog.CountProducts(t.Context(), room); err != nil || n < 1 {
			t.Errorf("%d products, %v", n, err)
		}

		// What was checked is imported without choosing the file again, once.
		csv = []byte("Handle,Title,Variant Price\npen,Pen,9\n")
		checked := b.upload("/shops/mine/import", fields("dry_run", "1"), file{"file", "pens.csv", csv}).to()
		b.stream(checked+"/live", func(name, _ string) bool { return name == "end" })
		b.get(checked).status(200).has(`action="`+checked+`/apply"`, "Import now")
		at := b.post(checked + "/apply").to()
		b.stream(at+"/live", func(name, _ string) bool { return name == "end" })
		b.get(at).status(200).has("pens.csv", "Done")
		b.get(checked).status(200).lacks("Import now").has(`href="` + at + `"`)
		if again := b.post(checked + "/apply").to(); again != at {
			t.Errorf("pressed again: %s, not %s", again, at)
		}
		if n, err := catalog.CountProducts(t.Context(), room); err != nil || n != 2 {
			t.Errorf("%d products, %v", n, err)
		}
		b.get("/shops/mine/import").status(200).has("goods.csv", "Check only")
		b.get("/shops/mine/export/products.csv").status(200).has("URL handle", "mug")
	})
}

// stream listens to server-sent events until one is the last.
func (b *browser) stream(path string, last func(name, data string) bool) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), 20*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, "GET", b.p.url+path, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	res, err := b.c.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer res.Body.Close()
	if kind := res.Header.Get("Content-Type"); kind != "text/event-stream" {
		b.t.Fatalf("%s is %d %s", path, res.StatusCode, kind)
	}
	lines, name := bufio.NewReader(res.Body), ""
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			b.t.Fatalf("%s ended before what was waited for: %v", path, err)
		}
		line = strings.TrimSuffix(line, "\n")
		if n, ok := strings.CutPrefix(line, "event: "); ok {
			name = n
		} else if data, ok := strings.CutPrefix(line, "data: "); ok {
			if last(name, data) {
				return
			}
		}
	}
}

// An open dashboard is told of an order at once, and of the sums a moment
// later.
// An open screen shows visits once they are written, not when it next looks.
func TestLiveVisits(t *testing.T) {
	onPlatform(t, func(t *testing.T, p *platform) {
		b, room := p.merchant(t, "a@haat.test", "Mine")
		var counted time.Time
		b.stream("/shops/mine/live", func(name, data string) bool {
			if name == "part" && counted.IsZero() { // the figures as they are at first
				counted = time.Now()
				for range 7 {
					p.visits.Count(room.Shop(), counted)
				}
				if err := p.visits.Flush(t.Context(), p.Fleet.ByID); err != nil {
					t.Fatal(err)
				}
			}
			return strings.Contains(data, "7 visits")
		})
		if took := time.Since(counted); took > 5*time.Second {
			t.Errorf("shown after %v", took)
		}
	})
}

func TestLive(t *testing.T) {
	onPlatform(t, func(t *testing.T, p *platform) {
		b, room := p.merchant(t, "a@haat.test", "Mine")
		mug := newProduct(t, room, "Mug", 449_00, 50)
		ordered, told := false, false
		b.stream("/shops/mine/live", func(name, data string) bool {
			var news struct {
				ID, HTML, Said string
				Waiting        int
				New            bool
			}
			if err := json.Unmarshal([]byte(data), &news); err != nil {
				t.Fatalf("%s: %v", data, err)
			}
			switch {
			case name == "part" && !ordered: // the figures as they are at first
				ordered = true
				placed(t, room, mug, 2)
			case name == "order":
				told = true
				if !news.New || news.Waiting != 1 || !strings.Contains(news.HTML, "Meera Iyer") || !strings.Contains(news.Said, "₹898") {
					t.Errorf("told of the order: %s", data)
				}
			}
			return told && name == "part" && news.ID == "today-numbers" && strings.Contains(news.HTML, "₹898")
		})
		b.get("/shops/mine").status(200).has("₹898", "Meera Iyer", `data-live="/shops/mine/live"`)
		counts, err := order.CountOrders.Do(t.Context(), room, owner(room), op.Empty{})
		if err != nil || counts.Placed != 1 {
			t.Errorf("%+v, %v", counts, err)
		}
	})
}
