;; Keeps its stack in memory, as C and Rust do, and runs below the first address.
;;= items
(func $deeper (param $stack i32)
  (i32.store (local.get $stack) (i32.const 1))
  (call $deeper (i32.sub (local.get $stack) (i32.const 64))))
;;= handle
(call $deeper (i32.const 4096))
