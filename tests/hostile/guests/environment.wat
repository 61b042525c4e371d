;; Looks for variables of the environment and arguments. It finds none, or it dies.
;;= imports: environment
;;= handle
(call $environment (i32.const 2048))
(if (i32.load (i32.const 2052)) (then (unreachable)))
(call $arguments (i32.const 2048))
(if (i32.load (i32.const 2052)) (then (unreachable)))
