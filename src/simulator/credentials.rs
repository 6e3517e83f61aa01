//! The one API user of the simulated account. Public knowledge: it opens nothing but a simulator.

/// `client_id`; as Contabo's, tenant and customer number.
pub const CLIENT_ID: &str = "INT-90000001";
pub const CLIENT_SECRET: &str = "simulated-client-secret";
/// `username` of the password grant.
pub const API_USER: &str = "simulator@devpocket.invalid";
/// `password` of the password grant.
pub const API_PASSWORD: &str = "simulated-api-password";
/// `customerId` in every object of the simulated API.
pub const CUSTOMER_ID: &str = "90000001";
/// `tenantId` in every object of the simulated API.
pub const TENANT_ID: &str = "INT";
