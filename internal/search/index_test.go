package search

import (
	"encoding/csv"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"haat/internal/catalog"
	"haat/internal/id"
)

// shelf is products with their index.
type shelf struct {
	*testing.T
	x     *index
	names map[id.Product]string
}

func newShelf(t *testing.T) *shelf {
	return &shelf{T: t, x: newIndex(), names: map[id.Product]string{}}
}

func (s *shelf) add(e catalog.ProductSaved) id.Product {
	s.Helper()
	if e.Product.Zero() {
		e.Product = id.Product(id.New[struct{}]())
	}
	s.names[e.Product] = e.Title
	if err := s.x.put(e.Product, documentOf(e).pack(), true, 0); err != nil {
		s.Fatal(err)
	}
	return e.Product
}

// first gives the titles that a query finds first.
func (s *shelf) first(query string, n int) (out []string) {
	s.x.tidyUp()
	m := s.x.match(query, false)
	for _, r := range m.found[:min(n, len(m.found))] {
		out = append(out, s.names[s.x.docs[r.slot].product])
	}
	return out
}

// crowd adds thousands of products as a department store has them.
func (s *shelf) crowd(n int) {
	lots := rand.New(rand.NewPCG(1, 2))
	pick := func(all ...string) string { return all[lots.IntN(len(all))] }
	for i := range n {
		kind := pick("Shirt", "Kurta", "Mug", "Lamp", "Rug", "Sandal", "Belt", "Bag", "Scarf", "Watch", "Jacket", "Stool", "Vase", "Bowl", "Planter", "Saree", "Cap", "Sock")
		brand := pick("Adidas", "Puma", "Bata", "Khadi", "Fabindia", "Ujala", "Titan", "Wildcraft", "Lavie", "Nike")
		s.add(catalog.ProductSaved{
			Title: fmt.Sprintf("%s %s %s", brand, pick("Indigo", "Red", "Classic", "Light", "Woven", "Everyday", "Silk", "Cotton", "Urban", "Trail"), kind), Vendor: brand, Type: kind,
			SKUs: []string{fmt.Sprintf("%s-%05d", strings.ToUpper(kind[:3]), i)}, Labels: []string{pick("men", "women", "kids"), pick("new", "sale", "festive")},
			Description: pick("Made for running errands, and for rest.", "Pairs well with shoes of any colour.", "A quick wash keeps it new.", "Light, soft and made to last.") + fmt.Sprintf(" Lot %x.", lots.Uint32()),
			Choices:     []catalog.Option{{Name: "Size", Values: []string{"S", "M", "L"}}}, Price: int64(100 + i),
		})
	}
}

// However it is asked for, the right product stands among the first three of
// thousands.
func TestFoundAndWellRanked(t *testing.T) {
	s := newShelf(t)
	s.crowd(5000)
	for _, p := range []catalog.ProductSaved{
		{Title: "Nike Air Zoom Pegasus 41", Vendor: "Nike", Type: "Running Shoes", Description: "Responsive road running shoe for everyday runs.", SKUs: []string{"NK-PEG-41"}},
		{Title: "Trail Running Shoes for Men", Vendor: "Asics", Type: "Shoes"},
		{Title: "Leather Couch, three seats", Type: "Furniture"},
		{Title: "Blue Block-Print Cotton Kurti", Type: "Kurta"},
		{Title: "Kolhapuri Chappal", Type: "Footwear"},
		{Title: "Navy T-Shirt", Type: "T-Shirts"},
		{Title: "नीली साड़ी", Type: "Saree"},
		{Title: "Café Crème Mug", Type: "Mug"},
		{Title: "King Size Bed Sheet", Type: "Bedding"},
	} {
		s.add(p)
	}
	for query, want := range map[string]string{
		"runing sheos": "Trail Running Shoes for Men", "sneakers": "Trail Running Shoes for Men", "run shoe": "Trail Running Shoes for Men", "shoes running mens": "Trail Running Shoes for Men",
		"Nike Pegasus running shoes": "Nike Air Zoom Pegasus 41", "pegasus nike": "Nike Air Zoom Pegasus 41", "pegasis": "Nike Air Zoom Pegasus 41", "NK-PEG-41": "Nike Air Zoom Pegasus 41", "nike shoe": "Nike Air Zoom Pegasus 41",
		"sofa": "Leather Couch, three seats", "sofas leather": "Leather Couch, three seats", "leather coach": "Leather Couch, three seats",
		"blue kurta block print": "Blue Block-Print Cotton Kurti", "slippers kolhapuri": "Kolhapuri Chappal", "kolapuri chapal": "Kolhapuri Chappal", "kolhapuri flip-flops": "Kolhapuri Chappal",
		"tshirt": "Navy T-Shirt", "tee navy": "Navy T-Shirt", "t-shirts": "Navy T-Shirt", "साड़ी": "नीली साड़ी", "cafe creme cup": "Café Crème Mug",
		"bedsheet": "King Size Bed Sheet", "bedsheets king": "King Size Bed Sheet", "bed spread": "King Size Bed Sheet",
	} {
		if got := s.first(query, 3); !slices.Contains(got, want) {
			t.Errorf("%q finds %q, want %q among them", query, got, want)
		}
	}
	// The control: without synonyms these words lead nowhere.
	s.x.synonyms = dictionary{}
	for _, query := range []string{"sneakers", "sofa"} {
		if got := s.first(query, 3); len(got) > 0 {
			t.Errorf("%q finds %q without synonyms", query, got)
		}
	}
}

// The catalogues that shops really have; where they are missing the test says
// so and ends, unless CI demands them.
func TestRealCatalogues(t *testing.T) {
	dir := os.Getenv("HAAT_SAMPLES")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "data")
	}
	names, _ := filepath.Glob(filepath.Join(dir, "shopify", "*.csv"))
	if len(names) == 0 {
		if os.Getenv("CI") == "true" {
			t.Fatalf("the real exports are missing: %s", dir)
		}
		t.Log("the real exports are not here, nothing tested")
		return
	}
	s := newShelf(t)
	s.crowd(1000)
	for _, name := range names {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		rows, err := csv.NewReader(f).ReadAll()
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rows[1:] {
			if r[1] != "" {
				s.add(catalog.ProductSaved{Title: r[1], Description: catalog.Plain(r[2]), Vendor: r[3], Type: r[4], Labels: strings.Split(r[5], ",")})
			}
		}
	}
	for query, want := range map[string]string{
		"couch": "Cream Sofa", "sofas grey": "Grey Sofa", "gray sofa": "Grey Sofa", "sweater yellow": "Yellow Wool Jumper", "jumpers": "Yellow Wool Jumper", "lether jaket": "Classic Leather Jacket",
		"tee red": "Red Sports Tee", "red tshirt": "Red Sports Tee", "candels": "Vanilla candle", "bean bags": "Black Beanbag", "beanbag": "Black Beanbag", "pillow": "Brown Throw Pillows",
		"handbag leather black": "Black Leather Bag", "wood fences": "Wooden Fence", "fence wooden": "Wooden Fence", "trowl": "Gardening hand trowel", "strped blouse silk": "Striped Silk Blouse", "plantpot clay": "Clay Plant Pot",
	} {
		if got := s.first(query, 3); !slices.Contains(got, want) {
			t.Errorf("%q finds %q, want %q among them", query, got, want)
		}
	}
}

// An index that has followed any edits finds what one built anew does, with
// the same scores and facets.
func TestAnIndexThatFollowsIsTheOneBuiltAnew(t *testing.T) {
	vocabulary := strings.Fields("mug mugs clay cotton cotta red reddish 10 100 café चाय blue glass classes running runs shoe t-shirt tee sofa couch")
	for seed := range uint64(20) {
		lots := rand.New(rand.NewPCG(seed, 7))
		words := func(n int) string {
			var out []string
			for range n {
				out = append(out, vocabulary[lots.IntN(len(vocabulary))])
			}
			return strings.Join(out, " ")
		}
		follows := newIndex()
		type row struct {
			doc      []byte
			sellable bool
		}
		rows, ids := map[id.Product]row{}, make([]id.Product, 40)
		for i := range ids {
			ids[i] = id.Product(id.New[struct{}]())
		}
		for range 300 {
			p := ids[lots.IntN(len(ids))]
			r := row{documentOf(catalog.ProductSaved{Title: words(2), Type: words(1), Vendor: words(1), Labels: []string{words(1)}, Description: words(lots.IntN(6)), Price: lots.Int64N(1000),
				Choices: []catalog.Option{{Name: "Size", Values: []string{words(1), words(1)}}}}).pack(), lots.IntN(2) == 0}
			if lots.IntN(3) == 0 {
				r = row{doc: gone}
			}
			rows[p] = r
			if err := follows.put(p, r.doc, r.sellable, -1); err != nil {
				t.Fatal(err)
			}
			follows.tidyUp()
		}
		anew := newIndex()
		for p, r := range rows {
			if err := anew.put(p, r.doc, r.sellable, 0); err != nil {
				t.Fatal(err)
			}
		}
		anew.tidyUp()
		for range 30 {
			query, f := words(1+lots.IntN(3)), Filter{Available: lots.IntN(3) == 0, Max: lots.Int64N(2000)}
			look := func(x *index) string {
				var b strings.Builder
				for _, typing := range []bool{false, true} {
					found, facets := x.narrow(x.match(query, typing).found, f)
					for _, r := range found {
						fmt.Fprintf(&b, "%v %v %v\n", x.docs[r.slot].product, r.words, r.score)
					}
					fmt.Fprintf(&b, "%+v %v\n", facets, x.kindsLike(query))
				}
				return b.String()
			}
			if a, b := look(follows), look(anew); a != b {
				t.Fatalf("seed %d, %q, %+v: followed\n%s\nbuilt anew\n%s", seed, query, f, a, b)
			}
		}
		if follows.bytes < anew.bytes || follows.bytes > 3*anew.bytes {
			t.Errorf("%d bytes after edits, %d built anew", follows.bytes, anew.bytes)
		}
	}
}

// Whatever is asked, the answer comes, and soon.
func TestHostileQueries(t *testing.T) {
	s := newShelf(t)
	s.crowd(2000)
	s.x.tidyUp()
	start := time.Now()
	for _, query := range []string{
		"", " ", "!!!", "😀😀😀", "\x00\xff\xfe", strings.Repeat("a", 1<<20), strings.Repeat("a ", 1<<19), strings.Repeat("é", 1<<19), strings.Repeat("-", 1<<20),
		strings.Repeat("mug ", 1000), "a b c d e f g h i j k l m n o p", "' OR 1=1 --", "%_%", strings.Repeat("ी", 5000), "\u202emug", strings.Repeat("mugg", 12) + " " + strings.Repeat("lamq", 12),
	} {
		for _, typing := range []bool{false, true} {
			m := s.x.match(query, typing)
			s.x.narrow(m.found, Filter{Options: slices.Repeat([]catalog.Choice{{Name: query, Value: query}}, 3)})
		}
		s.x.kindsLike(query)
		parseSynonyms(query)
		documentOf(catalog.ProductSaved{Title: query, Labels: []string{query}, Description: query}).pack()
	}
	if took := time.Since(start); took > time.Minute {
		t.Errorf("that took %v", took)
	}
	if m := s.x.match("\u202emug", false); len(m.found) == 0 {
		t.Error("a mark of direction hides a word")
	}
}

// Bytes that are no document are an error, never a panic or a flood.
func FuzzUnpack(f *testing.F) {
	f.Add(documentOf(catalog.ProductSaved{Title: "Blue Mug", Choices: []catalog.Option{{Name: "Size", Values: []string{"S"}}}}).pack())
	f.Add([]byte{version, 0xff, 0xff, 0xff, 0xff, 0x7f})
	f.Fuzz(func(t *testing.T, b []byte) {
		x := newIndex()
		_ = x.put(id.Product{1}, b, true, 0)
	})
}

func TestStems(t *testing.T) {
	for want, words := range map[string]string{
		"run": "run runs running", "shoe": "shoe shoes", "dress": "dress dresses", "hoody": "hoodie hoodies hoody", "strip": "stripe stripes striped strip", "box": "box boxes",
		"woman": "women womens woman", "lady": "lady ladies", "earring": "earring earrings", "ring": "ring rings", "string": "string strings", "print": "print prints printed printing",
		"quilt": "quilt quilted quilts", "glass": "glass glasses", "red": "red", "saree": "saree sarees", "साड़ी": "साड़ी", "41s": "41s", "knif": "knife knives",
	} {
		for w := range strings.FieldsSeq(words) {
			if got := stem(w); got != want {
				t.Errorf("%s: %s, want %s", w, got, want)
			}
		}
	}
}

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"sheos", "shoes", 1}, {"runing", "running", 1}, {"kitten", "sitting", 3}, {"", "ab", 2}, {"same", "same", 0}, {"abc", "xyz", 3}, {"चाय", "चाव", 1}} {
		if got := distance([]rune(c.a), []rune(c.b), 3); got != c.want {
			t.Errorf("%s to %s: %d, want %d", c.a, c.b, got, c.want)
		}
	}
	if got := distance([]rune("abcdef"), []rune("uvwxyz"), 1); got != 2 {
		t.Errorf("beyond the most: %d", got)
	}
}
