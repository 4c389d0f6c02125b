package drill

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"time"
)

var quietSearch = drill{
	id: "F-12", fault: "shoppers search by plurals, in another order, by synonyms and misspelt; and for what there is not",
	without: "the merchant's list is searched, which takes words as they are written",
	run:     searches,
}

// sought is what shoppers write, and the product that they mean.
var sought = [][2]string{
	{"bowls", "clay-bowl"}, {"bowl clay", "clay-bowl"}, {"cley bowl", "clay-bowl"},
	{"sarees", "block-printed-saree"}, {"sari", "block-printed-saree"}, {"saree printed", "block-printed-saree"}, {"prnted saree", "block-printed-saree"},
	{"sneakers", "running-shoes"}, {"runing shoes", "running-shoes"}, {"shoe", "running-shoes"},
	{"tee", "cotton-t-shirt"}, {"tshirt", "cotton-t-shirt"}, {"t shirts cotton", "cotton-t-shirt"},
}

// searches asks for what there is in other words, and for what there is not.
func searches(ctx context.Context, r *run) error {
	const nothing, times = "telescope", 7
	r.Injected = fmt.Sprintf("%d searches in other words than the products', and %d for what there is not", len(sought), times)
	s, err := r.serve(ctx, "data")
	if err != nil {
		return err
	}
	shop, err := r.open(ctx, s.addr, "North Goods", 5) // it has a clay bowl
	if err != nil {
		return err
	}
	for _, title := range []string{"Block-printed Saree", "Running Shoes", "Cotton T-shirt", "Brass Lamp", "Bath Towel"} {
		if _, err := shop.desk(s.addr, "POST", "/products", object{"title": title, "status": "active",
			"variants": []any{object{"price": rupees(900), "available": 5}}}).do(ctx, nil); err != nil {
			return err
		}
	}
	find := func(q string) (first string, err error) {
		var found struct {
			Items []struct{ Handle string }
		}
		look := request{addr: s.addr, host: shop.host, method: "GET", path: "/api/v1/search?q=" + url.QueryEscape(q)}
		if r.without {
			look = shop.desk(s.addr, "GET", "/products?q="+url.QueryEscape(q), nil)
		}
		if _, err := look.do(ctx, &found); err != nil || len(found.Items) == 0 {
			return "", err
		}
		return found.Items[0].Handle, nil
	}
	for begun := time.Now(); ; { // events carry products to the search
		if first, err := find("bath towel"); err != nil || first == "bath-towel" || time.Since(begun) > noticed {
			if err != nil {
				return err
			}
			break
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
	var missed []string
	for _, x := range sought {
		first, err := find(x[0])
		if err != nil {
			return err
		}
		if first != x[1] {
			missed = append(missed, x[0])
		}
	}
	what := fmt.Sprintf("%d of %d searches found first what was meant", len(sought)-len(missed), len(sought))
	if len(missed) > 0 {
		what += ", not: " + strings.Join(missed, ", ")
	}
	r.saw(len(missed) == 0, "%s", what)
	asked := time.Now()
	for range times {
		if _, err := find(nothing); err != nil {
			return err
		}
	}
	r.say("waiting until the shop's report says what was not found")
	for time.Since(asked) < 2*noticed {
		var report struct {
			Missed []struct {
				Query   string
				Nothing int
			}
		}
		if _, err := shop.desk(s.addr, "GET", "/search/report", nil).do(ctx, &report); err != nil {
			return err
		}
		for _, m := range report.Missed {
			if m.Query == nothing && m.Nothing == times {
				took := time.Since(asked)
				r.Noticed = fmt.Sprintf("%v, in the shop's report", round(took))
				r.saw(took <= noticed, "the report names %q, %d times", nothing, times)
				return nil
			}
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
	r.Noticed = "no"
	r.saw(false, "the shop's report does not say that %q found nothing", nothing)
	return nil
}
