package dashboard

import (
	"slices"
	"strings"

	"haat/internal/money"
	"haat/internal/ship"
)

// What the settings offer to choose from. The API takes any other that there is.

var locales = []Choice{
	{Value: "en-IN", Label: "English (India)"}, {Value: "hi-IN", Label: "हिन्दी (भारत)"}, {Value: "bn-IN", Label: "বাংলা (ভারত)"},
	{Value: "gu-IN", Label: "ગુજરાતી (ભારત)"}, {Value: "kn-IN", Label: "ಕನ್ನಡ (ಭಾರತ)"}, {Value: "ml-IN", Label: "മലയാളം (ഇന്ത്യ)"},
	{Value: "mr-IN", Label: "मराठी (भारत)"}, {Value: "ta-IN", Label: "தமிழ் (இந்தியா)"}, {Value: "te-IN", Label: "తెలుగు (భారతదేశం)"},
	{Value: "en-AU", Label: "English (Australia)"}, {Value: "en-CA", Label: "English (Canada)"}, {Value: "en-GB", Label: "English (United Kingdom)"},
	{Value: "en-SG", Label: "English (Singapore)"}, {Value: "en-US", Label: "English (United States)"}, {Value: "en-ZA", Label: "English (South Africa)"},
	{Value: "ar-AE", Label: "العربية (الإمارات)"}, {Value: "de-DE", Label: "Deutsch (Deutschland)"}, {Value: "es-ES", Label: "Español (España)"},
	{Value: "es-MX", Label: "Español (México)"}, {Value: "fr-FR", Label: "Français (France)"}, {Value: "id-ID", Label: "Bahasa Indonesia"},
	{Value: "it-IT", Label: "Italiano (Italia)"}, {Value: "ja-JP", Label: "日本語"}, {Value: "nl-NL", Label: "Nederlands"},
	{Value: "pt-BR", Label: "Português (Brasil)"}, {Value: "tr-TR", Label: "Türkçe"}, {Value: "vi-VN", Label: "Tiếng Việt"},
}

// timezones has one for about every rule that clocks follow where people live.
var timezones = named(strings.Fields(`
	Africa/Cairo Africa/Johannesburg Africa/Lagos Africa/Nairobi
	America/Anchorage America/Argentina/Buenos_Aires America/Bogota America/Caracas America/Chicago America/Denver America/Halifax America/Lima
	America/Los_Angeles America/Mexico_City America/New_York America/Phoenix America/Santiago America/Sao_Paulo America/St_Johns America/Toronto
	Asia/Almaty Asia/Baghdad Asia/Bangkok Asia/Colombo Asia/Dhaka Asia/Dubai Asia/Ho_Chi_Minh Asia/Hong_Kong Asia/Jakarta Asia/Jerusalem Asia/Kabul
	Asia/Karachi Asia/Kathmandu Asia/Kolkata Asia/Kuala_Lumpur Asia/Manila Asia/Riyadh Asia/Seoul Asia/Shanghai Asia/Singapore Asia/Taipei
	Asia/Tashkent Asia/Tehran Asia/Tokyo Asia/Yangon Atlantic/Azores
	Australia/Adelaide Australia/Brisbane Australia/Darwin Australia/Perth Australia/Sydney
	Europe/Amsterdam Europe/Athens Europe/Berlin Europe/Dublin Europe/Helsinki Europe/Istanbul Europe/Lisbon Europe/London Europe/Madrid
	Europe/Moscow Europe/Paris Europe/Rome Europe/Stockholm Europe/Warsaw Europe/Zurich
	Pacific/Auckland Pacific/Fiji Pacific/Honolulu UTC`))

func named(values []string) []Choice {
	out := make([]Choice, len(values))
	for i, v := range values {
		out[i] = Choice{Value: v, Label: strings.ReplaceAll(v, "_", " ")}
	}
	return out
}

// currencies are those that some country pays with.
var currencies = func() []Choice {
	var codes []string
	for _, c := range ship.Countries() {
		if code, ok := money.ForCountry(c.Code); ok && !slices.Contains(codes, code) {
			codes = append(codes, code)
		}
	}
	slices.Sort(codes)
	return named(codes)
}()
