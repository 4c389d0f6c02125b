package seed

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"haat/internal/catalog"
	"haat/internal/media/draw"
)

var (
	people = strings.Fields(`Aarav Aditi Ajay Akhil Amara Amit Ananya Anita Anjali Arjun Asha Bhavna Chitra Deepa Dev Devika Dinesh Divya Farah Farhan
		Gauri Geeta Gopal Hari Harsh Imran Indira Isha Jaya Jyoti Kabir Kamala Karan Kavita Kiran Kishore Lakshmi Lata Leela Madhav Mala Manju Maya Meena
		Meera Mohan Mukesh Nalini Naveen Neela Neha Nikhil Nisha Nitin Omkar Padma Pooja Prakash Prem Priya Radha Rahul Rajan Ramesh Rani Ravi Rekha Rita
		Rohan Roopa Sagar Salma Sameer Sandhya Sanjay Sara Sarita Savita Shanti Shreya Sita Sonia Sudha Sunil Suresh Swati Tara Tarun Uma Usha Varun Veena
		Vidya Vijay Vikram Vimala Vinod Yamini Yash Zara Zoya`)
	things  = strings.Fields(`Cotton Clay Spice Silk Brass Bamboo Paper Copper Garden Kitchen Thread Lamp Tea Mango Indigo Jasmine Terracotta Saffron Cane Wool Jute Neem Sandal Honey Leather Marble Ivy Lotus Monsoon Saree`)
	houses  = strings.Split(`Store,House,Studio,Works,Collective,Company,& Sons,& Daughters,Bazaar,Emporium,Traders,Corner,Workshop,Boutique,Goods,Mart,Gallery,Room,Stall,Supplies`, ",")
	accents = strings.Fields(`#9a3f22 #2f6b3a #1f5f8b #8a5a00 #a03a5c #33475b`) // one for each shade
	fonts   = strings.Fields(`system serif rounded`)

	taglines = []string{"Made in small batches, sent across India.", "Good things for every day.", "From our workshop to your door.", "Chosen with care, priced with sense.", "Family run, quick to answer."}
	shades   = []string{"Terracotta", "Moss", "Indigo", "Marigold", "Rose", "Slate"} // as the palettes that pictures are drawn in
	manners  = []string{"Everyday", "Handmade", "Festive", "Classic", "Little", "Slow", "Monsoon", "Village", "Sunday", "Heirloom", "Plain", "Morning", "Garden", "Market", "Winter", "Evening"}
	claims   = []string{"Made by hand in small batches.", "Light, strong and easy to care for.", "A present that is used.", "It looks better with age.", "Packed without plastic."}
)

// kind is something that shops sell.
type kind struct {
	drawing, title, group, material string
	price                           int64 // rupees
	grams                           int64
	option                          string // what some of them may be had in
	values                          []string
	step                            int64 // percent of the price, for each value after the first
}

var kinds = []kind{
	{"mug", "Mug", "Tableware", "Stoneware, glazed inside.", 349, 320, "Size", []string{"250 ml", "350 ml"}, 20},
	{"teapot", "Teapot", "Tableware", "Stoneware with a steel strainer.", 1490, 780, "Size", []string{"600 ml", "900 ml"}, 20},
	{"bowl", "Bowl", "Tableware", "Stoneware, 16 cm across.", 320, 410, "Set", []string{"One", "Set of 4"}, 250},
	{"plate", "Plate", "Tableware", "Stoneware with a flat rim.", 540, 640, "Size", []string{"20 cm", "27 cm"}, 30},
	{"carafe", "Carafe", "Tableware", "Borosilicate glass with a cork.", 880, 520, "Size", []string{"500 ml", "700 ml"}, 20},
	{"vase", "Vase", "Decor", "Glazed ceramic, watertight.", 1190, 900, "Height", []string{"20 cm", "28 cm"}, 30},
	{"planter", "Planter", "Garden", "Terracotta with a saucer.", 480, 1100, "Size", []string{"Small", "Medium", "Large"}, 40},
	{"candle", "Candle", "Decor", "Soy wax, burns forty hours.", 590, 260, "Scent", []string{"Mogra", "Vetiver", "Orange peel"}, 0},
	{"lamp", "Lamp", "Decor", "Steel and ash wood.", 2950, 1900, "Height", []string{"40 cm", "55 cm"}, 20},
	{"clock", "Clock", "Decor", "Steel, silent movement.", 1650, 600, "Size", []string{"Small", "Large"}, 20},
	{"print", "Print", "Paper", "Cotton paper of 300 g.", 990, 180, "Size", []string{"A4", "A3", "A2"}, 50},
	{"basket", "Basket", "Storage", "Water hyacinth, cotton handles.", 1050, 700, "Size", []string{"Medium", "Large"}, 40},
	{"cushion", "Cushion", "Textiles", "Cotton cover with a zip.", 790, 480, "Size", []string{"40 cm", "45 cm", "60 cm"}, 20},
	{"shawl", "Shawl", "Textiles", "Merino wool, woven by hand.", 3200, 300, "Size", []string{"70 × 200 cm", "100 × 200 cm"}, 25},
	{"tote", "Tote", "Textiles", "Canvas of 400 g.", 650, 350, "Size", []string{"Small", "Large"}, 25},
	{"notebook", "Notebook", "Paper", "144 pages, sewn.", 280, 240, "Paper", []string{"Plain", "Ruled", "Dotted"}, 0},
	{"soap", "Soap", "Bath", "Coconut oil and neem, 100 g.", 150, 110, "Pack", []string{"One", "Three"}, 170},
	{"stool", "Stool", "Furniture", "Mango wood, oiled.", 2490, 3200, "Height", []string{"45 cm", "60 cm"}, 20},
}

func pick[T any](lots *rand.Rand, of []T) T { return of[lots.IntN(len(of))] }

// shopName gives shop i a name that no other has, and the number of its round
// once every name was given.
func shopName(seed uint64, i int) (name string, number int) {
	all := len(people) * len(things) * len(houses)
	k := int((uint64(i%all)*7_919 + seed%1_000_003) % uint64(all)) // 7,919 shares no factor with all
	number = i/all + 1
	house := houses[k/len(people)%len(houses)]
	name = people[k%len(people)] + " " + things[k/len(people)/len(houses)] + " " + house
	return name, number
}

// goods gives the products of one shop, one after another.
type goods struct {
	lots                 *rand.Rand
	first, manner, shade int // of its first product
	n                    int
}

func newGoods(seed uint64, i int) *goods {
	lots := chance(seed, i, 4)
	return &goods{lots: lots, first: lots.IntN(len(kinds)), manner: lots.IntN(len(manners)), shade: lots.IntN(len(shades))}
}

const variety = 6 // kinds of things in one shop

func (g *goods) next() *catalog.Product {
	n, round := g.n, g.n/variety
	g.n++
	k := kinds[(g.first+n%variety)%len(kinds)]
	// A kind comes in every manner and shade once before it is numbered.
	manner := manners[(g.manner+round)%len(manners)]
	shade := (g.shade + n%variety*5 + round + round/len(manners)) % len(shades)
	title := manner + " " + shades[shade] + " " + k.title
	if again := round / (len(manners) * len(shades)); again > 0 {
		title += fmt.Sprintf(" No. %d", again+1)
	}
	p := &catalog.Product{
		Title: title, Handle: strings.ReplaceAll(strings.ToLower(strings.ReplaceAll(title, ".", "")), " ", "-"), Status: catalog.Active,
		Type: k.group, Tags: []string{strings.ToLower(manner)},
		DescriptionHTML: "<p>" + pick(g.lots, claims) + " " + k.material + "</p>",
		Images:          []catalog.Image{{Image: draw.Recipe{View: draw.Alone, Thing: k.drawing, Palette: shade}.Image()}},
	}
	if n == 0 { // what the shop is known for is shown twice
		p.Images = append(p.Images, catalog.Image{Image: draw.Recipe{View: draw.Home, Thing: k.drawing, Palette: shade}.Image()})
	}
	price := (k.price + k.price*g.lots.Int64N(60)/100) / 10 * 1000
	add := func(options ...string) {
		v := catalog.Variant{Options: options, Price: (price + price*k.step*int64(len(p.Variants))/100) / 1000 * 1000, WeightGrams: k.grams, Taxable: true, RequiresShipping: true,
			SKU:   fmt.Sprintf("%s-%d-%d", strings.ToUpper(k.drawing[:2]), g.n, len(p.Variants)+1),
			Stock: &catalog.Stock{Tracked: true, SetAvailable: true, Available: g.lots.Int64N(80)}}
		if g.lots.IntN(6) == 0 {
			v.CompareAt = v.Price * 5 / 4 / 1000 * 1000
		}
		p.Variants = append(p.Variants, v)
	}
	if g.lots.IntN(10) < 6 {
		add()
		return p
	}
	p.Options = []catalog.Option{{Name: k.option, Values: k.values}}
	for _, value := range k.values {
		add(value)
	}
	return p
}

// shelves gives the collections of a shop with these products: one for each
// type of which there are several, and one of small presents.
func shelves(all []*catalog.Product) []catalog.Collection {
	var out []catalog.Collection
	add := func(title string, field, is, value string) {
		c := catalog.Collection{Title: title, Handle: strings.ReplaceAll(strings.ToLower(title), " ", "-"), Rule: &catalog.Rule{Conditions: []catalog.Condition{{Field: field, Is: is, Value: value}}}}
		for _, p := range all {
			if c.Rule.Holds(p) {
				c.Products++
			}
		}
		if c.Products > 1 {
			out = append(out, c)
		}
	}
	var groups []string
	for _, p := range all {
		if !slices.Contains(groups, p.Type) {
			groups = append(groups, p.Type)
			add(p.Type, "type", "equals", p.Type)
		}
	}
	if len(all) > variety {
		add("Small presents", "price", "less", "60000")
	}
	return out
}
