package storefront

import (
	"embed"

	"haat/internal/web/design"
)

//go:embed assets
var files embed.FS

// Assets are the storefront's stylesheets, script, icon and what browsers may
// fetch ahead, to be served on every shop's host and on unknown ones.
var Assets = func() *design.Assets {
	sheet, err := files.ReadFile("assets/storefront.css")
	if err != nil {
		panic(err)
	}
	buy, err := files.ReadFile("assets/buy.css")
	if err != nil {
		panic(err)
	}
	script, err := files.ReadFile("assets/storefront.js")
	if err != nil {
		panic(err)
	}
	below, err := files.ReadFile("assets/suggest.css")
	if err != nil {
		panic(err)
	}
	suggest, err := files.ReadFile("assets/suggest.js")
	if err != nil {
		panic(err)
	}
	rules, err := files.ReadFile("assets/prefetch.speculationrules")
	if err != nil {
		panic(err)
	}
	icon, err := files.ReadFile("assets/icon.svg")
	if err != nil {
		panic(err)
	}
	return design.NewAssets().
		Add("storefront.css", append(design.CSS(), sheet...)).
		Add("buy.css", append(design.FormsCSS(), buy...)).
		Add("storefront.js", script).
		Add("suggest.js", suggest).
		Add("suggest.css", below).
		Add("prefetch.speculationrules", rules).
		Add("icon.svg", icon)
}()
