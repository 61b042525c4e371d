;; Has data for addresses that it does not have.
;;= items
(data (i32.const 262140) "too long")
