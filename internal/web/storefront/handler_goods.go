package storefront

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"haat/internal/catalog"
	"haat/internal/fault"
	"haat/internal/media"
	"haat/internal/money"
	"haat/internal/shop"
	"haat/internal/stock"
	"haat/internal/web/design"
)

func (v *visit) home() error {
	shown, err := catalog.ForHome.Do(v.ctx(), v.room, v.by, catalog.HomeIn{})
	if err != nil {
		return err
	}
	s, p := shown.Shop, shown.Page
	v.depends(shown.Mark, shop.TagShop, catalog.TagCatalog, stock.TagAvailability)
	page := Home{Page: Page{Shop: v.frame(s, menu(p.Tiles)), Description: s.Theme.Tagline, Canonical: PathHome, Current: PathHome}}
	titles := map[string]string{}
	for _, t := range p.Tiles {
		titles[t.Handle] = t.Title
	}
	for _, sec := range s.Theme.Sections {
		out := Section{Kind: sec.Kind, Title: sec.Title, Text: sec.Text}
		switch sec.Kind {
		case "banner":
			out.Href, out.Label = PathAll, "Shop now"
			if sec.Collection != "" {
				out.Href = CollectionPath(sec.Collection)
			}
			out.Image = v.banner(s.Theme.Banner)
			if out.Title == "" {
				out.Title, out.Text = page.Shop.Name, s.Theme.Tagline
			}
		case "featured":
			out.Products, out.Href, out.Label = v.cards(s, rows(p.Newest)), PathAll, "See everything"
			if sec.Collection != "" {
				out.Products, out.Href = v.cards(s, rows(p.Featured[sec.Collection])), CollectionPath(sec.Collection)
				if out.Title == "" {
					out.Title = titles[sec.Collection]
				}
			}
			if out.Title == "" {
				out.Title = "New in"
			}
		case "collections":
			out.Tiles = v.tiles(p.Tiles)
			if out.Title == "" {
				out.Title = "Collections"
			}
		}
		page.Sections = append(page.Sections, out)
	}
	if len(s.Theme.Sections) == 0 {
		page.Sections = []Section{
			{Kind: "featured", Title: "New in", Products: v.cards(s, rows(p.Newest)), Href: PathAll, Label: "See everything"},
			{Kind: "collections", Title: "Collections", Tiles: v.tiles(p.Tiles)},
		}
	}
	if page.Image = v.banner(s.Theme.Banner); page.Image == nil && len(p.Newest) > 0 {
		page.Image = imageOf(v.room, p.Newest[0].Image)
	}
	return v.show(http.StatusOK, page.Draw(), true)
}

// rows leaves out what would begin a row of four and not fill it.
func rows(cards []catalog.Card) []catalog.Card {
	if n := len(cards); n > 4 {
		return cards[:n-n%4]
	}
	return cards
}

// banner is the picture across the front page. Only its name is known here:
// a width that it does not have is answered with the one that is nearest.
func (v *visit) banner(hash string) *Image {
	if hash == "" {
		return nil
	}
	set := make([]string, 0, 3)
	for _, w := range []int{640, 960, 1440} {
		set = append(set, fmt.Sprintf("%s %dw", mediaURL(v, hash, w), w))
	}
	return &Image{Src: mediaURL(v, hash, 960), SrcSet: strings.Join(set, ", "), Width: 1440, Height: 600}
}

func menu(tiles []catalog.Tile) []catalog.Tile { return tiles[:min(len(tiles), 8)] }

func (v *visit) collections() error {
	shown, err := catalog.ForHome.Do(v.ctx(), v.room, v.by, catalog.HomeIn{})
	if err != nil {
		return err
	}
	v.depends(shown.Mark, shop.TagShop, catalog.TagCatalog)
	page := Collections{Tiles: v.tiles(shown.Page.Tiles)}
	page.Page = Page{Shop: v.frame(shown.Shop, menu(shown.Page.Tiles)), Title: "Collections", Canonical: PathCollections, Current: PathCollections}
	return v.show(http.StatusOK, page.Draw(), true)
}

const perPage = 24

// narrowed reads the form above a list.
func narrowed(s shop.Settings, q url.Values) (f catalog.Filter, low, high string) {
	f = catalog.Filter{Sort: catalog.Sort(q.Get(FieldSort)), Available: q.Get(FieldAvailable) == "1", PerPage: perPage}
	if !slices.Contains(catalog.Sorts, f.Sort) {
		f.Sort = ""
	}
	low, high = q.Get(FieldMin), q.Get(FieldMax)
	if n, err := money.Parse(low, s.Currency); err == nil && n > 0 {
		f.Min = n
	}
	if n, err := money.Parse(high, s.Currency); err == nil && n > 0 {
		f.Max = n
	}
	for key, values := range q {
		if name, ok := strings.CutPrefix(key, PrefixOption); ok {
			for _, value := range values {
				f.Options = append(f.Options, catalog.Choice{Name: name, Value: value})
			}
		}
	}
	slices.SortFunc(f.Options, func(a, b catalog.Choice) int { return strings.Compare(a.Name+"\x00"+a.Value, b.Name+"\x00"+b.Value) })
	f.Page, _ = strconv.Atoi(q.Get(FieldPage))
	f.Page = max(1, min(f.Page, 10_000))
	return f, low, high
}

var sortWords = []design.Choice{
	{Value: "manual", Label: "Featured"}, {Value: "newest", Label: "Newest"}, {Value: "price-asc", Label: "Price, low to high"},
	{Value: "price-desc", Label: "Price, high to low"}, {Value: "title", Label: "Name"},
}

func (v *visit) collection() error {
	handle, q := v.r.PathValue("handle"), v.r.URL.Query()
	// The currency, which prices are read in, comes with the page: prices as
	// typed are read with two digits first, which is right for most, and the
	// page is read again for the others.
	read := func(currency string) (catalog.Shown[catalog.CollectionPage], catalog.Filter, string, string, error) {
		f, low, high := narrowed(shop.Settings{Currency: currency}, q)
		shown, err := catalog.ForCollection.Do(v.ctx(), v.room, v.by, catalog.CollectionPageIn{Handle: handle, Filter: f})
		return shown, f, low, high, err
	}
	shown, f, low, high, err := read("INR")
	if err == nil && (f.Min > 0 || f.Max > 0) && money.Digits(shown.Shop.Currency) != 2 {
		shown, f, low, high, err = read(shown.Shop.Currency)
	}
	if err != nil {
		return err
	}
	s, p := shown.Shop, shown.Page
	v.depends(shown.Mark, shop.TagShop, catalog.TagCatalog, stock.TagAvailability)
	path := CollectionPath(handle)
	page := Collection{Handle: handle, Name: p.Title, Text: p.Description, Trail: []design.Crumb{{Label: "Home", Href: PathHome}, {Label: "Collections", Href: PathCollections}, {Label: p.Title}}}
	page.Page = Page{Shop: v.frame(s, p.Menu), Title: p.Title, Description: cut(p.Description, 160), Canonical: path, Current: path, NoIndex: len(f.Options) > 0 || f.Available || f.Min > 0 || f.Max > 0}
	if f.Page > 1 {
		page.Canonical = query(path, url.Values{FieldPage: {strconv.Itoa(f.Page)}})
	}
	sorts := sortWords
	if handle == catalog.AllProducts {
		sorts = sortWords[1:]
	}
	last := max(1, int(p.Total+perPage-1)/perPage)
	page.Listing = Listing{
		Action: path, Cards: v.cards(s, p.Cards), Total: int(p.Total), Sort: string(p.Sort), Sorts: sorts, Available: f.Available, Min: low, Max: high,
		Symbol: symbol(s), Clear: path,
		Pages: design.Pages{Page: min(f.Page, last), Last: last, Label: "Pages", Prev: "Previous", Next: "Next", Href: func(n int) string {
			next := clone(q)
			next.Set(FieldPage, strconv.Itoa(n))
			if n == 1 {
				next.Del(FieldPage)
			}
			return query(path, next)
		}},
	}
	if p.All > 0 {
		lo, hi := cash(s, p.Min), cash(s, p.Max)
		page.Low, page.High = &lo, &hi
	}
	page.narrow(path, q, f.Options, p.Facets)
	page.narrowed(s, path, q, f.Available, f.Min, f.Max)
	return v.show(http.StatusOK, page.Draw(), true)
}

func clone(q url.Values) url.Values {
	out := url.Values{}
	for k, vs := range q {
		out[k] = slices.Clone(vs)
	}
	return out
}

func symbol(s shop.Settings) string {
	text := (money.Money{Amount: 0, Currency: s.Currency}).Format(s.Locale, true)
	return strings.TrimSpace(strings.Trim(text, "0.,٫\u00a0 "))
}

func cut(text string, n int) string {
	r := []rune(strings.Join(strings.Fields(text), " "))
	if len(r) <= n {
		return string(r)
	}
	return strings.TrimSpace(string(r[:n-1])) + "…"
}

func (v *visit) product() error {
	return v.showProduct(v.r.PathValue("handle"), v.r.URL.Query().Get(FieldVariant), http.StatusOK, "", 0)
}

// showProduct shows a product with a variant chosen: the one that is named,
// else the first that can be bought.
func (v *visit) showProduct(handle, variant string, status int, problem string, quantity int) error {
	shown, err := catalog.ForProduct.Do(v.ctx(), v.room, v.by, catalog.ShopProductIn{Handle: handle})
	if err != nil {
		return err
	}
	s, p := shown.Shop, shown.Page
	if len(p.Variants) == 0 {
		return fault.NotFound("There is no such product.")
	}
	at := slices.IndexFunc(p.Variants, func(x catalog.PageVariant) bool { return x.ID.String() == variant })
	if at < 0 {
		at = max(0, slices.IndexFunc(p.Variants, func(x catalog.PageVariant) bool { return x.Sellable }))
	}
	tags := []string{shop.TagShop, catalog.TagMenu, catalog.TagProduct(p.ID), catalog.TagType(p.Type)}
	for _, c := range p.Related {
		tags = append(tags, catalog.TagProduct(c.Product))
	}
	v.depends(shown.Mark, tags...)
	chosen := p.Variants[at]
	page := Product{
		Handle: p.Handle, Name: p.Title, Vendor: p.Vendor, HTML: p.DescriptionHTML, Variant: chosen.ID.String(), SKU: chosen.SKU, Available: chosen.Sellable,
		Price: Price{Now: cash(s, chosen.Price)}, MaxQuantity: 99, Error: problem, Quantity: quantity, Related: v.cards(s, p.Related),
		Trail: []design.Crumb{{Label: "Home", Href: PathHome}, {Label: "All products", Href: PathAll}, {Label: p.Title}},
	}
	if chosen.CompareAt > chosen.Price {
		was := cash(s, chosen.CompareAt)
		page.Price.Was = &was
	}
	if chosen.Left > 0 && chosen.Left <= stock.FewLeft {
		page.MaxQuantity, page.Left = int(chosen.Left), int(chosen.Left)
	}
	for i, m := range p.Images {
		img := imageOf(v.room, m)
		if img == nil {
			continue
		}
		if img.Alt == "" {
			img.Alt = p.Title
		}
		page.Images = append(page.Images, *img)
		if m.Hash == chosen.Image {
			page.Shown = i
		}
	}
	page.Options = options(p, at)
	for i := range page.Options {
		for j, value := range page.Options[i].Values {
			page.Options[i].Values[j].Image = v.pictureOf(p, i, value.Value)
		}
	}
	for _, x := range p.Variants {
		page.Offers = append(page.Offers, Offer{Variant: x.ID.String(), Name: strings.Join(x.Options, " / "), SKU: x.SKU, GTIN: gtin(x.Barcode), Price: cash(s, x.Price), Available: x.Sellable})
	}
	if chosen.WeightGrams > 0 {
		page.Facts = append(page.Facts, Pair{"Weight", fmt.Sprintf("%d g", chosen.WeightGrams)})
	}
	title, about := p.SEO.Title, p.SEO.Description
	if title == "" {
		title = p.Title
	}
	if about == "" {
		about = catalog.Plain(p.DescriptionHTML)
	}
	page.Page = Page{Shop: v.frame(s, p.Menu), Title: title, Description: cut(about, 160), Canonical: ProductPath(p.Handle, "")}
	page.Promises = page.Shop.Promises
	if len(page.Images) > 0 {
		page.Page.Image = &page.Images[0]
	}
	page.Share = "https://wa.me/?text=" + url.QueryEscape(p.Title+" "+page.Shop.URL+ProductPath(p.Handle, ""))
	return v.show(status, page.Draw(), status == http.StatusOK)
}

// pictureOf is the picture that the variants with a value of an option have,
// nil if they have none or not the same.
func (v *visit) pictureOf(p catalog.ProductPage, option int, value string) *Image {
	hash := ""
	for _, x := range p.Variants {
		if !strings.EqualFold(x.Options[option], value) {
			continue
		}
		if x.Image == "" || hash != "" && hash != x.Image {
			return nil
		}
		hash = x.Image
	}
	at := slices.IndexFunc(p.Images, func(m media.Image) bool { return m.Hash == hash })
	if at < 0 {
		return nil
	}
	m := p.Images[at]
	return &Image{Src: media.URL(v.room.Shop(), m.Hash, media.Nearest(m.Width, 160)), Width: 160, Height: 160, Placeholder: m.Placeholder}
}

// gtin is a barcode that is a trade item number by its length and digits.
func gtin(code string) string {
	if n := len(code); n != 8 && (n < 12 || n > 14) || strings.Trim(code, "0123456789") != "" {
		return ""
	}
	return code
}

// options gives, for every value of every option, the variant that choosing
// it beside the other choices leads to.
func options(p catalog.ProductPage, at int) []Option {
	var out []Option
	for i, o := range p.Options {
		view := Option{Name: o.Name, Chosen: p.Variants[at].Options[i]}
		for _, value := range o.Values {
			ov := OptionValue{Value: value}
			for _, x := range p.Variants {
				same := strings.EqualFold(x.Options[i], value)
				for j := range p.Options {
					same = same && (j == i || strings.EqualFold(x.Options[j], p.Variants[at].Options[j]))
				}
				if same {
					ov.Href, ov.Available = ProductPath(p.Handle, x.ID.String()), x.Sellable
				}
			}
			if ov.Href == "" { // not made beside the other choices: lead to one that is
				if k := slices.IndexFunc(p.Variants, func(x catalog.PageVariant) bool { return strings.EqualFold(x.Options[i], value) }); k >= 0 {
					ov.Href, ov.Available = ProductPath(p.Handle, p.Variants[k].ID.String()), p.Variants[k].Sellable
				}
			}
			view.Values = append(view.Values, ov)
		}
		out = append(out, view)
	}
	return out
}

func (v *visit) robots() error {
	v.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	v.w.Header().Set("Cache-Control", "public, max-age=3600")
	fmt.Fprintf(v.w, "User-agent: *\nDisallow: /cart\nDisallow: /checkout\nDisallow: /orders/\nDisallow: /search\nDisallow: /api/\n\nSitemap: %s/sitemap.xml\n", v.ShopURL(v.room.Slug()))
	return nil
}

type sitemapURL struct {
	Loc string `xml:"loc"`
	Mod string `xml:"lastmod,omitempty"`
}

// sitemap lists what a search engine should know: the front page, collections
// and active products, up to the 50,000 that one file may hold.
func (v *visit) sitemap() error {
	shown, err := catalog.ForSitemap.Do(v.ctx(), v.room, v.by, catalog.HomeIn{})
	if err != nil {
		return err
	}
	origin := v.ShopURL(v.room.Slug())
	urls := []sitemapURL{{Loc: origin + PathHome}, {Loc: origin + PathCollections}, {Loc: origin + PathAll}}
	v.depends(shown.Mark, catalog.TagCatalog)
	for _, e := range shown.Page {
		path := ProductPath(e.Handle, "")
		if e.Collection {
			path = CollectionPath(e.Handle)
		}
		urls = append(urls, sitemapURL{origin + path, e.UpdatedAt.UTC().Format("2006-01-02")})
	}
	v.w.Header().Set("Content-Type", "application/xml; charset=utf-8")
	v.w.Header().Set("Cache-Control", "public, max-age=3600")
	fmt.Fprint(v.w, xml.Header)
	return xml.NewEncoder(v.w).Encode(struct {
		XMLName xml.Name     `xml:"http://www.sitemaps.org/schemas/sitemap/0.9 urlset"`
		URLs    []sitemapURL `xml:"url"`
	}{URLs: urls})
}
