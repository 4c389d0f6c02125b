package app

// demoGood is one product of the demo shop. Its pictures are drawn.
type demoGood struct {
	drawing  string
	palette  int
	title    string
	kind     string
	vendor   string
	tags     []string
	price    int64 // rupees
	was      int64
	stock    int64
	grams    int64
	option   string // name of its option; empty for none
	values   []string
	step     int64 // rupees added with each value
	about    string
	material string
	hues     []int  // palette of each value, where values are to be seen
	with     string // what stands beside it in its second picture
}

// demoGoods is a small shop of things for the home, made up by us.
var demoGoods = []demoGood{
	{"mug", 0, "Terracotta Mug", "Tableware", "Kumbhar Studio", []string{"kitchen", "handmade", "gift"}, 449, 0, 40, 320, "Size", []string{"250 ml", "350 ml"}, 80,
		"A mug with a thumb rest, thrown on the wheel and glazed inside. It keeps tea hot through one long phone call.", "Stoneware clay, lead-free glaze. Safe for the dishwasher and the microwave.", nil, "teapot"},
	{"teapot", 1, "Morning Teapot", "Tableware", "Kumbhar Studio", []string{"kitchen", "handmade"}, 1890, 2200, 12, 780, "", nil, 0,
		"Pours without a drip, and says so. Enough for four small cups, with a strainer that lifts out.", "Stoneware, steel strainer. 900 ml.", nil, "mug"},
	{"bowl", 2, "Everyday Bowl", "Tableware", "Kumbhar Studio", []string{"kitchen", "handmade"}, 390, 0, 64, 410, "Set", []string{"One", "Set of 4"}, 1050,
		"The bowl that ends up being used for everything: dal, cereal, keys.", "Stoneware. 16 cm across.", nil, "carafe"},
	{"plate", 3, "Dinner Plate", "Tableware", "Kumbhar Studio", []string{"kitchen"}, 620, 0, 48, 640, "Size", []string{"Side, 20 cm", "Dinner, 27 cm"}, 240,
		"A flat rim to hold on to and enough depth for a curry. Stacks neatly.", "Stoneware. Safe for the dishwasher.", nil, "bowl"},
	{"carafe", 4, "Bedside Carafe", "Tableware", "Jal & Co.", []string{"kitchen", "glass"}, 980, 0, 22, 520, "", nil, 0,
		"Water for the night, with a tumbler that is also its lid.", "Hand-blown borosilicate glass. 700 ml.", nil, "vase"},
	{"vase", 5, "Tall Vase", "Decor", "Jal & Co.", []string{"living", "gift"}, 1290, 1590, 15, 900, "Glaze", []string{"Slate", "Indigo", "Leaf"}, 0,
		"For one branch from the garden, or seven tuberoses from the corner shop.", "Glazed ceramic, watertight. 32 cm tall.", []int{5, 2, 1}, "candle"},
	{"planter", 0, "Windowsill Planter", "Decor", "Hara Bhara", []string{"garden", "living"}, 540, 0, 36, 1100, "Size", []string{"Small", "Medium", "Large"}, 260,
		"A hole in the bottom, a saucer below, and a shape that tulsi likes.", "Terracotta with a cotton wick.", nil, "stool"},
	{"candle", 1, "Mogra Candle", "Paper and scent", "Deepak & Daughters", []string{"gift", "fragrance"}, 690, 0, 80, 260, "Scent", []string{"Mogra", "Vetiver", "Orange peel"}, 0,
		"Burns for forty hours and smells like an evening in June.", "Soy and coconut wax, cotton wick, steel tin.", []int{1, 5, 3}, "soap"},
	{"lamp", 2, "Reading Lamp", "Decor", "Ujala Works", []string{"living", "desk"}, 3450, 3990, 7, 1900, "", nil, 0,
		"Bends to the book and leaves the rest of the room dark.", "Steel and ash wood. E27 bulb of 9 W included.", nil, "clock"},
	{"clock", 3, "Quiet Clock", "Decor", "Ujala Works", []string{"living", "desk"}, 1750, 0, 18, 600, "", nil, 0,
		"No tick. It moves the way the afternoon does.", "Powder-coated steel, sweeping movement, one AA cell.", nil, "notebook"},
	{"print", 4, "Monsoon Print", "Paper and scent", "Rekha Prints", []string{"desk", "gift"}, 1200, 0, 30, 180, "Size", []string{"A4", "A3", "A2"}, 700,
		"Rain over rooftops, drawn by hand and printed in five inks. Each one is numbered.", "Cotton paper of 300 g. Comes flat, without a frame.", nil, ""},
	{"basket", 5, "Market Basket", "Textiles", "Bunai Collective", []string{"storage", "handmade"}, 1150, 0, 25, 700, "Size", []string{"Medium", "Large"}, 450,
		"Woven in Auroville from water hyacinth. Strong enough for four coconuts.", "Water hyacinth, cotton handles.", nil, "planter"},
	{"cushion", 3, "Block-print Cushion", "Textiles", "Bunai Collective", []string{"living", "textile", "handmade"}, 890, 1050, 44, 480, "Colour", []string{"Marigold", "Indigo", "Rose"}, 0,
		"Printed with carved blocks, so no two are quite alike. The filling comes with it.", "Cotton cover with a zip, recycled filling. 45 × 45 cm.", []int{3, 2, 4}, "basket"},
	{"shawl", 1, "Himalayan Shawl", "Textiles", "Bunai Collective", []string{"textile", "gift", "handmade"}, 4200, 0, 9, 300, "Colour", []string{"Moss", "Madder", "Indigo"}, 0,
		"Spun and woven in Kullu. Warm for the hills, light enough for an office with strong opinions about air conditioning.", "Merino wool. 100 × 200 cm.", []int{1, 4, 2}, ""},
	{"tote", 2, "Carry-all Tote", "Textiles", "Bunai Collective", []string{"textile", "gift"}, 750, 0, 70, 350, "Print", []string{"Indigo", "Terracotta"}, 0,
		"An inside pocket for the phone, a long strap for the shoulder, and a flat bottom.", "Canvas of 400 g.", []int{2, 0}, "notebook"},
	{"notebook", 3, "Stitched Notebook", "Paper and scent", "Rekha Prints", []string{"desk", "gift"}, 320, 0, 120, 240, "Paper", []string{"Plain", "Ruled", "Dotted"}, 0,
		"Opens flat, takes ink without a ghost on the next page, and has a pocket at the back.", "144 pages of 100 g paper, sewn. A5.", nil, "mug"},
	{"soap", 4, "Neem and Tulsi Soap", "Paper and scent", "Deepak & Daughters", []string{"bath", "gift"}, 180, 0, 200, 110, "Pack", []string{"One", "Three"}, 320,
		"Cold-pressed and rested for six weeks. It smells of a garden after rain.", "Coconut and castor oil, neem, tulsi. 100 g.", nil, "candle"},
	{"stool", 5, "Three-legged Stool", "Decor", "Ujala Works", []string{"living", "wood"}, 2890, 0, 0, 3200, "", nil, 0,
		"A seat, a side table, a step to the top shelf. The next batch is drying.", "Mango wood, linseed oil. 45 cm high.", nil, "planter"},
}

// demoCollections are the demo shop's shelves: by rule where a tag says what belongs, by hand where taste does.
var demoCollections = []struct {
	handle, title, about, tag string
	hand                      []string // drawings, in the order to show them
}{
	{"kitchen", "Kitchen", "Things that are washed every day and look better for it.", "kitchen", nil},
	{"living-room", "Living room", "To sit on, to read by, to look at.", "living", nil},
	{"textiles", "Textiles", "Woven, printed and stitched by people who sign their work.", "textile", nil},
	{"desk", "Desk and wall", "For the corner where letters are still written.", "desk", nil},
	{"gifts", "Gifts", "Small enough to carry to a dinner, good enough to be asked about.", "", []string{"candle", "soap", "notebook", "mug", "tote", "vase", "print", "shawl"}},
	{"handmade", "Made by hand", "Every one a little different, and meant to be.", "", []string{"basket", "bowl", "cushion", "teapot", "shawl", "mug", "planter", "stool"}},
}

// demoPolicies are what the shop promises; they are linked beside every price.
var demoPolicies = struct{ returns, shipping, privacy, terms string }{
	returns:  "Keep it for seven days. If it is not what you hoped for, write to us on WhatsApp and we have it collected; the money is back within three days of its arrival.\n\nIf something comes broken, a photograph is enough: we send another one, or the money, whichever you like better. You need not send the pieces.\n\nPrints that were made to your size cannot come back, and neither can soap that has met water.",
	shipping: "We pack on weekdays before noon. Bengaluru has its parcel the next day, other cities in two to four days, the hills and the islands in about a week.\n\nDelivery is ₹60, and free from ₹999. You can pay in cash at the door. The courier rings before coming.\n\nEverything breakable travels in two boxes with straw between them, and the straw is for your garden.",
	privacy:  "We ask for your name, telephone number and address, because a parcel needs them. The courier is told these and nobody else is.\n\nWe send messages about your order and no others. Write to hello@mitti.example to have your details deleted; it is done the same week.",
	terms:    "Prices are in rupees and include all taxes. An order is agreed when we confirm it.\n\nClay, cloth and wood differ from piece to piece. Pictures show a typical one, and yours may be a shade lighter or a finger taller.",
}
