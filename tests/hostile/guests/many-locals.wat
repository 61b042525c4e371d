;; Recurses with ten thousand locals.
;;= items
(func $wide (local
;;= items 10000 times
  i64
;;= items
  ) (call $wide))
;;= handle
(call $wide)
