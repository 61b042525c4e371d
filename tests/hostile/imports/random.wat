;; wasi:random: random(count, result)
(import "wasi:random/random@0.2.0" (instance $random
  (export "get-random-bytes" (func (param "len" u64) (result (list u8))))))
(alias export $random "get-random-bytes" (func $random-bytes))
;;= functions
;; random: lower $random-bytes: (param i64 i32)
