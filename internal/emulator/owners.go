package emulator

import "slices"

// owners finds contacts by where they are reached, in any app: those that were
// made or changed. There are millions of them, so the keys are numbers, which
// are quick to look up and nothing that the garbage collector looks at.
type owners struct {
	first map[address]int
	more  map[address][]int  // further contacts of an identity that several have
	named map[string]address // values that are no numbers
}

// address is an identity, whatever app it belongs to.
type address uint64

// An address has the channel in its highest byte. Below stands the value, if it
// is a number of so many digits at most; if not, a bit that such a number does
// not have, and the place of the value among all of that sort.
const (
	channelShift = 56
	noNumber     = address(1) << 55
	mostDigits   = 16
)

func newOwners() owners {
	return owners{first: make(map[address]int), more: make(map[address][]int), named: make(map[string]address)}
}

// address tells where an identity is, if anybody had it yet or it is a number.
func (o *owners) address(i identity) (address, bool) {
	at, known := numeric(i.value)
	if !known {
		at, known = o.named[i.value]
	}
	return at | address(1+slices.Index(channels, i.channel))<<channelShift, known
}

// numeric takes what is written without a leading zero: two values must not be
// one number.
func numeric(value string) (n address, ok bool) {
	if len(value) == 0 || len(value) > mostDigits || value[0] == '0' {
		return 0, false
	}
	for i := range len(value) {
		digit := value[i] - '0'
		if digit > 9 {
			return 0, false
		}
		n = n*10 + address(digit)
	}
	return n, true
}

// of lists the contacts of an identity in the order in which they got it.
func (o *owners) of(i identity) []int {
	at, known := o.address(i)
	first, found := o.first[at]
	if !known || !found {
		return nil
	}
	return append([]int{first}, o.more[at]...)
}

// one is the first of them.
func (o *owners) one(i identity) (contact int, found bool) {
	at, known := o.address(i)
	contact, found = o.first[at]
	return contact, known && found
}

func (o *owners) add(i identity, contact int) {
	at, known := o.address(i)
	if !known {
		o.named[i.value] = noNumber + address(len(o.named))
		at, _ = o.address(i)
	}
	if _, taken := o.first[at]; taken {
		o.more[at] = append(o.more[at], contact)
		return
	}
	o.first[at] = contact
}

// remove takes an identity from a contact.
func (o *owners) remove(i identity, contact int) {
	left := slices.DeleteFunc(o.of(i), func(n int) bool { return n == contact })
	at, known := o.address(i)
	if !known {
		return
	}
	delete(o.first, at)
	delete(o.more, at)
	for _, n := range left {
		o.add(i, n)
	}
}
