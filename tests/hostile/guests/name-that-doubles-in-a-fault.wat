;; The same where the host asks an error for its causes, of which the backtrace is one.
;;= items
(func $harm (@name "_Z1aIXnwnwnwnwnwnwnwnwnwnwnwnwnwnwnwnwnwnwnwnwnwnwnwnwE") (drop (i32.load (i32.const -8))))
;;= handle
(call $harm)
