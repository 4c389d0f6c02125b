package seed

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"haat/internal/catalog"
)

var (
	people = strings.Fields(`Aarav Aditi Ajay Akhil Amara Amit Ananya Anita Anjali Arjun Asha Bhavna Chitra Deepa Dev Devika Dinesh Divya Farah Farhan
		Gauri Geeta Gopal Hari Harsh Imran Indira Isha Jaya Jyoti Kabir Kamala Karan Kavita Kiran Kishore Lakshmi Lata Leela Madhav Mala Manju Maya Meena
		Meera Mohan Mukesh Nalini Naveen Neela Neha Nikhil Nisha Nitin Omkar Padma Pooja Prakash Prem Priya Radha Rahul Rajan Ramesh Rani Ravi Rekha Rita
		Rohan Roopa Sagar Salma Sameer Sandhya Sanjay Sara Sarita Savita Shanti Shreya Sita Sonia Sudha Sunil Suresh Swati Tara Tarun Uma Usha Varun Veena
		Vidya Vijay Vikram Vimala Vinod Yamini Yash Zara Zoya`)
	things  = strings.Fields(`Cotton Clay Spice Silk Brass Bamboo Paper Copper Garden Kitchen Thread Lamp Tea Mango Indigo Jasmine Terracotta Saffron Cane Wool Jute Neem Sandal Honey Leather Marble Ivy Lotus Monsoon Saree`)
	houses  = strings.Split(`Store,House,Studio,Works,Collective,Company,& Sons,& Daughters,Bazaar,Emporium,Traders,Corner,Workshop,Boutique,Goods,Mart,Gallery,Room,Stall,Supplies`, ",")
	accents = strings.Fields(`#9a3f22 #1f5f8b #2f6b3a #7a2e5d #8a5a00 #33475b #b3261e #4b3f8f`)

	taglines = []string{"Made in small batches, sent across India.", "Good things for every day.", "From our workshop to your door.", "Chosen with care, priced with sense.", "Family run, quick to answer."}
	shades   = []string{"Indigo", "Marigold", "Rose", "Moss", "Ivory", "Charcoal", "Madder", "Teal"}
	sizeRuns = [][]string{{"S", "M", "L"}, {"M", "L", "XL"}, {"Small", "Large"}, {"250 g", "500 g"}, {"Single", "Set of 4"}}
	manners  = []string{"Everyday", "Handmade", "Festive", "Classic", "Little", "Slow", "Monsoon", "Village", "Sunday", "Heirloom", "Plain", "Striped", "Painted", "Woven", "Carved", "Evening"}
	claims   = []string{"Made by hand in small batches.", "Light, strong and easy to care for.", "A present that is used.", "It looks better with age.", "Packed without plastic."}
)

// kind is something that shops sell.
type kind struct {
	drawing, title, group, material string
	price                           int64 // rupees
	grams                           int64
}

var kinds = []kind{
	{"mug", "Mug", "Tableware", "Stoneware, 300 ml.", 349, 320}, {"teapot", "Teapot", "Tableware", "Stoneware with a steel strainer.", 1490, 780},
	{"bowl", "Bowl", "Tableware", "Stoneware, 16 cm across.", 320, 410}, {"plate", "Plate", "Tableware", "Stoneware, 27 cm across.", 540, 640},
	{"carafe", "Carafe", "Tableware", "Borosilicate glass, 700 ml.", 880, 520}, {"vase", "Vase", "Decor", "Glazed ceramic, 28 cm tall.", 1190, 900},
	{"planter", "Planter", "Garden", "Terracotta with a saucer.", 480, 1100}, {"candle", "Candle", "Decor", "Soy wax, burns forty hours.", 590, 260},
	{"lamp", "Lamp", "Decor", "Steel and ash wood.", 2950, 1900}, {"clock", "Clock", "Decor", "Steel, silent movement.", 1650, 600},
	{"print", "Print", "Paper", "Cotton paper of 300 g.", 990, 180}, {"basket", "Basket", "Storage", "Water hyacinth, cotton handles.", 1050, 700},
	{"cushion", "Cushion", "Textiles", "Cotton cover, 45 × 45 cm.", 790, 480}, {"shawl", "Shawl", "Textiles", "Merino wool, 100 × 200 cm.", 3200, 300},
	{"tote", "Tote", "Textiles", "Canvas of 400 g.", 650, 350}, {"notebook", "Notebook", "Paper", "144 pages, sewn.", 280, 240},
	{"soap", "Soap", "Bath", "Coconut oil and neem, 100 g.", 150, 110}, {"stool", "Stool", "Furniture", "Mango wood, 45 cm high.", 2490, 3200},
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
	lots   *rand.Rand
	vendor string
	first  int // kind of thing that the shop is for
	n      int
}

func newGoods(seed uint64, i int, vendor string) *goods {
	lots := chance(seed, i, 4)
	return &goods{lots: lots, vendor: vendor, first: lots.IntN(len(kinds))}
}

func (g *goods) next() *catalog.Product {
	k := kinds[(g.first+g.n%6)%len(kinds)]
	manner, shade := manners[g.n/6%len(manners)], shades[g.n/6/len(manners)%len(shades)]
	title := manner + " " + shade + " " + k.title
	if round := g.n / (6 * len(manners) * len(shades)); round > 0 {
		title += fmt.Sprintf(" No. %d", round+1)
	}
	g.n++
	p := &catalog.Product{
		Title: title, Handle: strings.ReplaceAll(strings.ToLower(strings.ReplaceAll(title, ".", "")), " ", "-"), Status: catalog.Active,
		Vendor: g.vendor, Type: k.group, Tags: []string{strings.ToLower(manner)},
		DescriptionHTML: "<p>" + pick(g.lots, claims) + " " + k.material + "</p>",
	}
	price := (k.price + k.price*g.lots.Int64N(60)/100) / 10 * 1000
	add := func(options ...string) {
		v := catalog.Variant{Options: options, Price: price + int64(len(p.Variants))*50_00, WeightGrams: k.grams, Taxable: true, RequiresShipping: true,
			SKU:   fmt.Sprintf("%s-%d-%d", strings.ToUpper(k.drawing[:2]), g.n, len(p.Variants)+1),
			Stock: &catalog.Stock{Tracked: true, SetAvailable: true, Available: g.lots.Int64N(80)}}
		if g.lots.IntN(6) == 0 {
			v.CompareAt = v.Price * 5 / 4 / 100 * 100
		}
		p.Variants = append(p.Variants, v)
	}
	if g.lots.IntN(10) < 6 {
		add()
		return p
	}
	run := pick(g.lots, sizeRuns)
	p.Options = []catalog.Option{{Name: "Size", Values: run}}
	for _, size := range run {
		add(size)
	}
	return p
}
