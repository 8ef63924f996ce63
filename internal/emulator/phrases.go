package emulator

// phrases is what messages are made of. Each is kept in two forms: as it is,
// and with everything beyond ASCII escaped, as some encoders write it.
var phrases = makePhrases(
	"Hi! Your order is on its way and should reach you before noon.",
	"Tack för din beställning! Vi hör av oss så snart paketet är på väg. 📦",
	"Could you send me the invoice again? The \"PDF\" does not open.",
	"Ihre Sendung wurde zugestellt.\nSchöne Grüße vom Team München",
	"Your appointment is confirmed. Reply STOP to opt out.",
	"ご注文ありがとうございます。発送までしばらくお待ちください。",
	"C'est noté, à demain 9 h devant l'entrée — n'oubliez pas le café ☕",
	"Yes",
	"STOP",
	"Thanks 👍🏽",
	"Прошу уточнить адрес доставки, пожалуйста.",
	"Path: C:\\temp\\report.csv\tsize: 12 kB",
	"شكرا لك، تم استلام الدفعة بنجاح",
	"Kod: 8841. Dela den inte med någon.",
	"We have moved! Find the new store at <b>Main Street 5</b> & bring this message.",
	"¿Puedo cambiar la talla? Pedí la M pero necesito la L…",
	"The family 👨‍👩‍👧‍👦 plan starts on the 1st; 3 GB → 10 GB.",
	"Line one\nLine two\n\nLine four, with a trailing space ",
	"好的，明天下午三点见。",
	"It is 100% free, isn't it? I read about {placeholders} and %s in the FAQ.",
)

// titles are short: buttons, cards, items of a list.
var titles = makePhrases(
	"Yes, please", "Nej tack", "Find a store", "Call us ☎", "Größe L", "Fler val…", "Autumn sale 🍂", "Track \"my\" order",
)

type phrase struct{ plain, escaped string } // quoted, as JSON

func makePhrases(texts ...string) []phrase {
	made := make([]phrase, len(texts))
	for i, t := range texts {
		made[i] = phrase{string(appendQuoted(nil, t)), string(appendEscaped(nil, t))}
	}
	return made
}
