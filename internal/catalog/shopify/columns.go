package shopify

import (
	"regexp"
	"slices"
	"strings"
)

// Current is the header of the present generation, as Writer writes it.
var Current = []string{
	"Title", "URL handle", "Description", "Vendor", "Product category", "Type", "Tags", "Published on online store", "Status",
	"SKU", "Barcode",
	"Option1 name", "Option1 value", "Option1 Linked To", "Option2 name", "Option2 value", "Option2 Linked To",
	"Option3 name", "Option3 value", "Option3 Linked To",
	"Price", "Compare-at price", "Cost per item", "Charge tax", "Tax code",
	"Unit price total measure", "Unit price total measure unit", "Unit price base measure", "Unit price base measure unit",
	"Inventory tracker", "Inventory quantity", "Continue selling when out of stock",
	"Weight value (grams)", "Weight unit for display", "Requires shipping", "Fulfillment service",
	"Product image URL", "Image position", "Image alt text", "Variant image URL", "Gift card", "SEO title", "SEO description",
	"Color (product.metafields.shopify.color-pattern)",
	"Google Shopping / Google product category", "Google Shopping / Gender", "Google Shopping / Age group",
	"Google Shopping / Manufacturer part number (MPN)", "Google Shopping / Ad group name", "Google Shopping / Ads labels",
	"Google Shopping / Condition", "Google Shopping / Custom product",
	"Google Shopping / Custom label 0", "Google Shopping / Custom label 1", "Google Shopping / Custom label 2",
	"Google Shopping / Custom label 3", "Google Shopping / Custom label 4",
}

// Legacy is the header of the older generation, without the columns that differ
// from shop to shop (metafields and markets).
var Legacy = []string{
	"Handle", "Title", "Body (HTML)", "Vendor", "Product Category", "Type", "Tags", "Published",
	"Option1 Name", "Option1 Value", "Option1 Linked To", "Option2 Name", "Option2 Value", "Option2 Linked To",
	"Option3 Name", "Option3 Value", "Option3 Linked To",
	"Variant SKU", "Variant Grams", "Variant Inventory Tracker", "Variant Inventory Qty", "Variant Inventory Policy",
	"Variant Fulfillment Service", "Variant Price", "Variant Compare At Price", "Variant Requires Shipping", "Variant Taxable",
	"Unit Price Total Measure", "Unit Price Total Measure Unit", "Unit Price Base Measure", "Unit Price Base Measure Unit",
	"Variant Barcode", "Image Src", "Image Position", "Image Alt Text", "Gift Card", "SEO Title", "SEO Description",
	"Google Shopping / Google Product Category", "Google Shopping / Gender", "Google Shopping / Age Group",
	"Google Shopping / MPN", "Google Shopping / Condition", "Google Shopping / Custom Product",
	"Google Shopping / Custom Label 0", "Google Shopping / Custom Label 1", "Google Shopping / Custom Label 2",
	"Google Shopping / Custom Label 3", "Google Shopping / Custom Label 4",
	"Variant Image", "Variant Weight Unit", "Variant Tax Code", "Cost per item", "Status",
}

type field int

const (
	fTitle field = iota
	fHandle
	fDescription
	fVendor
	fCategory
	fType
	fTags
	fPublished
	fStatus
	fSKU
	fBarcode
	fName1
	fName2
	fName3
	fValue1
	fValue2
	fValue3
	fPrice
	fCompareAt
	fCost
	fTaxable
	fTaxCode
	fTracker
	fQuantity
	fPolicy
	fGrams
	fShipping
	fImageURL
	fImagePosition
	fImageAlt
	fVariantImage
	fGiftCard
	fSEOTitle
	fSEODescription
	numFields
)

// names of each field: the Current one, then the others it goes by.
var names = [numFields][]string{
	fTitle: {"Title"}, fHandle: {"URL handle", "Handle"}, fDescription: {"Description", "Body (HTML)"}, fVendor: {"Vendor"},
	fCategory: {"Product category"}, fType: {"Type"}, fTags: {"Tags"}, fPublished: {"Published on online store", "Published"},
	fStatus: {"Status"}, fSKU: {"SKU", "Variant SKU"}, fBarcode: {"Barcode", "Variant Barcode", "Barcodes"},
	fName1: {"Option1 name"}, fName2: {"Option2 name"}, fName3: {"Option3 name"},
	fValue1: {"Option1 value"}, fValue2: {"Option2 value"}, fValue3: {"Option3 value"},
	fPrice: {"Price", "Variant Price"}, fCompareAt: {"Compare-at price", "Variant Compare At Price"}, fCost: {"Cost per item"},
	fTaxable: {"Charge tax", "Variant Taxable"}, fTaxCode: {"Tax code", "Variant Tax Code"},
	fTracker: {"Inventory tracker", "Variant Inventory Tracker"}, fQuantity: {"Inventory quantity", "Variant Inventory Qty"},
	fPolicy: {"Continue selling when out of stock", "Variant Inventory Policy"},
	fGrams:  {"Weight value (grams)", "Variant Grams"}, fShipping: {"Requires shipping", "Variant Requires Shipping"},
	fImageURL: {"Product image URL", "Image Src"}, fImagePosition: {"Image position"}, fImageAlt: {"Image alt text"},
	fVariantImage: {"Variant image URL", "Variant Image"}, fGiftCard: {"Gift card"},
	fSEOTitle: {"SEO title"}, fSEODescription: {"SEO description"},
}

// fieldOf finds the field of a header in lower case.
var fieldOf = func() map[string]field {
	m := map[string]field{}
	for f, list := range names {
		for _, n := range list {
			m[strings.ToLower(n)] = field(f)
		}
	}
	return m
}()

// renamed gives the Current name of columns without a field.
var renamed = func() map[string]string {
	m := map[string]string{
		"variant fulfillment service":        "Fulfillment service",
		"variant weight unit":                "Weight unit for display",
		"google shopping / mpn":              "Google Shopping / Manufacturer part number (MPN)",
		"google shopping / adwords grouping": "Google Shopping / Ad group name",
		"google shopping / adwords labels":   "Google Shopping / Ads labels",
	}
	for _, n := range Current {
		if _, core := fieldOf[strings.ToLower(n)]; !core {
			m[strings.ToLower(n)] = n
		}
	}
	return m
}()

// trackerColumn is where Extra keeps a tracker other than Shopify's own.
const trackerColumn = "Inventory tracker"

// canonical gives the name under which Extra keeps a column.
func canonical(header string) string {
	header = strings.TrimSpace(header)
	if n, ok := renamed[strings.ToLower(header)]; ok {
		return n
	}
	return header
}

// ofVariant reports whether a column without a field speaks of the variant on
// its row; if not, it speaks of the product.
func ofVariant(column string) bool {
	s := strings.ToLower(column)
	for _, p := range []string{"variant ", "unit price ", "price / ", "compare at price / ", "compare-at price / ", "cost "} {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	return slices.Contains([]string{"fulfillment service", "weight unit for display", strings.ToLower(trackerColumn)}, s) ||
		strings.Contains(s, "variant.metafields.")
}

// tooManyOptions matches the columns of a fourth option and on.
var tooManyOptions = regexp.MustCompile(`(?i)^option([4-9]|\d\d+) (name|value)$`)
