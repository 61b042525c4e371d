;; The name of a function takes a demangler of C++ twice as long with each two bytes more.
;;= items
(func $harm (@name "_Z1aIXnwnwnwnwnwnwnwnwnwnwnwnwnwnwnwnwnwnwnwnwnwnwnwnwE") (unreachable))
;;= handle
(call $harm)
