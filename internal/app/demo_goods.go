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
}

// demoGoods is a small shop of things for the home, made up by us.
var demoGoods = []demoGood{
	{"mug", 0, "Terracotta Mug", "Tableware", "Kumbhar Studio", []string{"kitchen", "handmade", "gift"}, 449, 0, 40, 320, "Size", []string{"250 ml", "350 ml"}, 80,
		"A mug with a thumb rest, thrown on the wheel and glazed inside. It keeps tea hot through one long phone call.", "Stoneware clay, lead-free glaze. Safe for the dishwasher and the microwave."},
	{"teapot", 1, "Morning Teapot", "Tableware", "Kumbhar Studio", []string{"kitchen", "handmade"}, 1890, 2200, 12, 780, "", nil, 0,
		"Pours without a drip, and says so. Enough for four small cups, with a strainer that lifts out.", "Stoneware, steel strainer. 900 ml."},
	{"bowl", 2, "Everyday Bowl", "Tableware", "Kumbhar Studio", []string{"kitchen", "handmade"}, 390, 0, 64, 410, "Set", []string{"One", "Set of 4"}, 1050,
		"The bowl that ends up being used for everything: dal, cereal, keys.", "Stoneware. 16 cm across."},
	{"plate", 3, "Dinner Plate", "Tableware", "Kumbhar Studio", []string{"kitchen"}, 620, 0, 48, 640, "Size", []string{"Side, 20 cm", "Dinner, 27 cm"}, 240,
		"A flat rim to hold on to and enough depth for a curry. Stacks neatly.", "Stoneware. Safe for the dishwasher."},
	{"carafe", 4, "Bedside Carafe", "Tableware", "Jal & Co.", []string{"kitchen", "glass"}, 980, 0, 22, 520, "", nil, 0,
		"Water for the night, with a tumbler that is also its lid.", "Hand-blown borosilicate glass. 700 ml."},
	{"vase", 5, "Tall Vase", "Decor", "Jal & Co.", []string{"living", "gift"}, 1290, 1590, 15, 900, "Colour", []string{"Sand", "Ink", "Leaf"}, 0,
		"For one branch from the garden, or seven tuberoses from the corner shop.", "Glazed ceramic, watertight. 32 cm tall."},
	{"planter", 0, "Windowsill Planter", "Garden", "Hara Bhara", []string{"garden", "living"}, 540, 0, 36, 1100, "Size", []string{"Small", "Medium", "Large"}, 260,
		"A hole in the bottom, a saucer below, and a shape that tulsi likes.", "Terracotta with a cotton wick."},
	{"candle", 1, "Mogra Candle", "Fragrance", "Deepak & Daughters", []string{"gift", "fragrance"}, 690, 0, 80, 260, "Scent", []string{"Mogra", "Vetiver", "Orange peel"}, 0,
		"Burns for forty hours and smells like an evening in June.", "Soy and coconut wax, cotton wick, steel tin."},
	{"lamp", 2, "Reading Lamp", "Lighting", "Ujala Works", []string{"living", "light"}, 3450, 3990, 7, 1900, "", nil, 0,
		"Bends to the book and leaves the rest of the room dark.", "Steel and ash wood. E27 bulb of 9 W included."},
	{"clock", 3, "Quiet Clock", "Decor", "Ujala Works", []string{"living"}, 1750, 0, 18, 600, "", nil, 0,
		"No tick. It moves the way the afternoon does.", "Powder-coated steel, sweeping movement, one AA cell."},
	{"print", 4, "Monsoon Print", "Art", "Rekha Prints", []string{"art", "gift"}, 1200, 0, 30, 180, "Size", []string{"A4", "A3", "A2"}, 700,
		"Rain over rooftops, drawn by hand and printed in five inks. Each one is numbered.", "Cotton paper of 300 g. Comes flat, without a frame."},
	{"basket", 5, "Market Basket", "Storage", "Bunai Collective", []string{"storage", "handmade"}, 1150, 0, 25, 700, "Size", []string{"Medium", "Large"}, 450,
		"Woven in Auroville from water hyacinth. Strong enough for four coconuts.", "Water hyacinth, cotton handles."},
	{"cushion", 0, "Block-print Cushion", "Textiles", "Bunai Collective", []string{"living", "textile", "handmade"}, 890, 1050, 44, 480, "Colour", []string{"Marigold", "Indigo", "Rose"}, 0,
		"Printed with carved blocks, so no two are quite alike. The filling comes with it.", "Cotton cover with a zip, recycled filling. 45 × 45 cm."},
	{"shawl", 1, "Himalayan Shawl", "Textiles", "Bunai Collective", []string{"textile", "gift", "handmade"}, 4200, 0, 9, 300, "Colour", []string{"Natural", "Madder", "Walnut"}, 0,
		"Spun and woven in Kullu. Warm for the hills, light enough for an office with strong opinions about air conditioning.", "Merino wool. 100 × 200 cm."},
	{"tote", 2, "Carry-all Tote", "Bags", "Bunai Collective", []string{"bags"}, 750, 0, 70, 350, "Colour", []string{"Natural", "Charcoal"}, 0,
		"An inside pocket for the phone, a long strap for the shoulder, and a flat bottom.", "Canvas of 400 g."},
	{"notebook", 3, "Stitched Notebook", "Stationery", "Rekha Prints", []string{"paper", "gift"}, 320, 0, 120, 240, "Paper", []string{"Plain", "Ruled", "Dotted"}, 0,
		"Opens flat, takes ink without a ghost on the next page, and has a pocket at the back.", "144 pages of 100 g paper, sewn. A5."},
	{"soap", 4, "Neem and Tulsi Soap", "Bath", "Deepak & Daughters", []string{"bath", "gift"}, 180, 0, 200, 110, "Pack", []string{"One", "Three"}, 320,
		"Cold-pressed and rested for six weeks. It smells of a garden after rain.", "Coconut and castor oil, neem, tulsi. 100 g."},
	{"stool", 5, "Three-legged Stool", "Furniture", "Ujala Works", []string{"living", "wood"}, 2890, 0, 0, 3200, "", nil, 0,
		"A seat, a side table, a step to the top shelf. The next batch is drying.", "Mango wood, linseed oil. 45 cm high."},
}

// demoCollections are the demo shop's shelves: by rule where a tag says it.
var demoCollections = []struct{ handle, title, about, tag string }{
	{"kitchen", "For the kitchen", "Things that are washed every day and look better for it.", "kitchen"},
	{"living-room", "For the living room", "To sit on, to read by, to look at.", "living"},
	{"gifts", "Gifts", "Small enough to carry to a dinner, good enough to be asked about.", "gift"},
	{"handmade", "Made by hand", "Every one a little different, and meant to be.", "handmade"},
}
