;; A function of five thousand blocks inside each other.
;;= items
(func $deep (param i32) (result i32)
;;= items 5000 times
  block
;;= items
  (local.set 0 (i32.const 1))
;;= items 5000 times
  end
;;= items
  (local.get 0))
;;= handle
(drop (call $deep (i32.const 0)))
