;; Ends the process, as it believes.
;;= imports: exit
;;= handle
(call $exit (i32.const 1))
