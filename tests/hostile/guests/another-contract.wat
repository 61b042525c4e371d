;; A component for a version of the contract that there is not.
(component (instance $empty) (export "cofferdam:plugin/handler@9.0.0" (instance $empty)))
