;; Has a memory of 64 bits.
;;= items
(memory $wide i64 1)
