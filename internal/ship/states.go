package ship

// india has the 28 states and 8 union territories, by name.
var india = []State{
	{"AN", "Andaman and Nicobar Islands", []string{"Andaman and Nicobar", "A&N Islands"}},
	{"AP", "Andhra Pradesh", nil},
	{"AR", "Arunachal Pradesh", nil},
	{"AS", "Assam", nil},
	{"BR", "Bihar", nil},
	{"CH", "Chandigarh", nil},
	{"CG", "Chhattisgarh", []string{"CT", "Chattisgarh", "Chhatisgarh"}},
	{"DH", "Dadra and Nagar Haveli and Daman and Diu", []string{"DN", "DD", "DNHDD", "Dadra and Nagar Haveli", "Daman and Diu"}},
	{"DL", "Delhi", []string{"New Delhi", "NCT of Delhi", "National Capital Territory of Delhi", "Delhi NCR"}},
	{"GA", "Goa", nil},
	{"GJ", "Gujarat", []string{"Gujrat"}},
	{"HR", "Haryana", nil},
	{"HP", "Himachal Pradesh", nil},
	{"JK", "Jammu and Kashmir", []string{"J&K"}},
	{"JH", "Jharkhand", nil},
	{"KA", "Karnataka", nil},
	{"KL", "Kerala", nil},
	{"LA", "Ladakh", nil},
	{"LD", "Lakshadweep", nil},
	{"MP", "Madhya Pradesh", nil},
	{"MH", "Maharashtra", []string{"Maharastra"}},
	{"MN", "Manipur", nil},
	{"ML", "Meghalaya", nil},
	{"MZ", "Mizoram", nil},
	{"NL", "Nagaland", nil},
	{"OD", "Odisha", []string{"OR", "Orissa"}},
	{"PY", "Puducherry", []string{"Pondicherry"}},
	{"PB", "Punjab", nil},
	{"RJ", "Rajasthan", nil},
	{"SK", "Sikkim", nil},
	{"TN", "Tamil Nadu", []string{"Tamilnadu"}},
	{"TS", "Telangana", []string{"TG", "Telengana"}},
	{"TR", "Tripura", nil},
	{"UP", "Uttar Pradesh", nil},
	{"UK", "Uttarakhand", []string{"UT", "Uttaranchal"}},
	{"WB", "West Bengal", nil},
}

// unitedStates has the states, the district, the territories and the armed
// forces' addresses.
var unitedStates = []State{
	{"AL", "Alabama", nil}, {"AK", "Alaska", nil}, {"AZ", "Arizona", nil}, {"AR", "Arkansas", nil}, {"CA", "California", nil},
	{"CO", "Colorado", nil}, {"CT", "Connecticut", nil}, {"DE", "Delaware", nil},
	{"DC", "District of Columbia", []string{"Washington DC", "Washington D.C."}},
	{"FL", "Florida", nil}, {"GA", "Georgia", nil}, {"HI", "Hawaii", nil}, {"ID", "Idaho", nil}, {"IL", "Illinois", nil},
	{"IN", "Indiana", nil}, {"IA", "Iowa", nil}, {"KS", "Kansas", nil}, {"KY", "Kentucky", nil}, {"LA", "Louisiana", nil},
	{"ME", "Maine", nil}, {"MD", "Maryland", nil}, {"MA", "Massachusetts", nil}, {"MI", "Michigan", nil}, {"MN", "Minnesota", nil},
	{"MS", "Mississippi", nil}, {"MO", "Missouri", nil}, {"MT", "Montana", nil}, {"NE", "Nebraska", nil}, {"NV", "Nevada", nil},
	{"NH", "New Hampshire", nil}, {"NJ", "New Jersey", nil}, {"NM", "New Mexico", nil}, {"NY", "New York", nil},
	{"NC", "North Carolina", nil}, {"ND", "North Dakota", nil}, {"OH", "Ohio", nil}, {"OK", "Oklahoma", nil}, {"OR", "Oregon", nil},
	{"PA", "Pennsylvania", nil}, {"RI", "Rhode Island", nil}, {"SC", "South Carolina", nil}, {"SD", "South Dakota", nil},
	{"TN", "Tennessee", nil}, {"TX", "Texas", nil}, {"UT", "Utah", nil}, {"VT", "Vermont", nil}, {"VA", "Virginia", nil},
	{"WA", "Washington", nil}, {"WV", "West Virginia", nil}, {"WI", "Wisconsin", nil}, {"WY", "Wyoming", nil},
	{"AS", "American Samoa", nil}, {"GU", "Guam", nil}, {"MP", "Northern Mariana Islands", nil}, {"PR", "Puerto Rico", nil},
	{"VI", "U.S. Virgin Islands", []string{"US Virgin Islands", "Virgin Islands"}},
	{"AA", "Armed Forces Americas", nil}, {"AE", "Armed Forces Europe", nil}, {"AP", "Armed Forces Pacific", nil},
}

var canada = []State{
	{"AB", "Alberta", nil}, {"BC", "British Columbia", nil}, {"MB", "Manitoba", nil}, {"NB", "New Brunswick", nil},
	{"NL", "Newfoundland and Labrador", []string{"Newfoundland"}}, {"NS", "Nova Scotia", nil}, {"NT", "Northwest Territories", nil},
	{"NU", "Nunavut", nil}, {"ON", "Ontario", nil}, {"PE", "Prince Edward Island", nil}, {"QC", "Quebec", []string{"Québec", "PQ"}},
	{"SK", "Saskatchewan", nil}, {"YT", "Yukon", nil},
}

var australia = []State{
	{"ACT", "Australian Capital Territory", nil}, {"NSW", "New South Wales", nil}, {"NT", "Northern Territory", nil},
	{"QLD", "Queensland", nil}, {"SA", "South Australia", nil}, {"TAS", "Tasmania", nil}, {"VIC", "Victoria", nil},
	{"WA", "Western Australia", nil},
}
