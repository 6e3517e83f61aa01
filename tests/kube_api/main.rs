//! The Kubernetes-style API over a real socket, driven by the real `kube` client and, for what that
//! client never sends, by plain HTTP.

mod apply;
mod crud;
mod doors;
mod patches;
mod refusals;
mod watches;
mod world;
