;; Fails with a text that clears the screen, rings, turns the direction of writing and forges a line.
;;= items
(data (i32.const 4096) "VALIDATION_ERROR")
(data (i32.const 4200) "\1b[2J\07\00\e2\80\ae\0d\0a{\22level\22:\22ERROR\22}")
;;= handle
(call $fail (i32.const 1) (i32.const 4096) (i32.const 16) (i32.const 4200) (i32.const 28))
