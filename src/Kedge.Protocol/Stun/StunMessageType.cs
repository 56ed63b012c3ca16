namespace Kedge.Protocol.Stun;

/// <summary>Method and class of a STUN message in the two bytes that it begins with (RFC 8489, section 5): those of Binding.</summary>
public enum StunMessageType : ushort
{
    /// <summary>Binding request.</summary>
    BindingRequest = 0x0001,

    /// <summary>Binding indication, which nobody answers.</summary>
    BindingIndication = 0x0011,

    /// <summary>Binding success response.</summary>
    BindingSuccess = 0x0101,

    /// <summary>Binding error response.</summary>
    BindingError = 0x0111,
}

/// <summary>
/// Attributes by their registered type (RFC 8489, section 18.3). Those below 0x8000 must be understood by whoever gets a request with them.
/// </summary>
public enum StunAttribute : ushort
{
    /// <summary>The reflexive address in the clear, as servers of RFC 3489 answer.</summary>
    MappedAddress = 0x0001,

    /// <summary>Asks for an answer from another address or port of the server (RFC 5780, section 7.2).</summary>
    ChangeRequest = 0x0003,

    /// <summary>Part of an authentication that Binding does without.</summary>
    Username = 0x0006,

    /// <summary>Part of an authentication that Binding does without.</summary>
    MessageIntegrity = 0x0008,

    /// <summary>Why a request was refused: a class from 3 to 6 and a number from 0 to 99.</summary>
    ErrorCode = 0x0009,

    /// <summary>The attributes that a server did not understand, two bytes each.</summary>
    UnknownAttributes = 0x000A,

    /// <summary>Part of an authentication that Binding does without.</summary>
    Realm = 0x0014,

    /// <summary>Part of an authentication that Binding does without.</summary>
    Nonce = 0x0015,

    /// <summary>Part of an authentication that Binding does without.</summary>
    MessageIntegritySha256 = 0x001C,

    /// <summary>Part of an authentication that Binding does without.</summary>
    PasswordAlgorithm = 0x001D,

    /// <summary>Part of an authentication that Binding does without.</summary>
    UserHash = 0x001E,

    /// <summary>The reflexive address, disguised from NATs that rewrite what looks like an address.</summary>
    XorMappedAddress = 0x0020,

    /// <summary>What the sender is, in words.</summary>
    Software = 0x8022,

    /// <summary>A CRC-32 of the message, to tell it from another protocol's; the last attribute.</summary>
    Fingerprint = 0x8028,

    /// <summary>From where a response was sent (RFC 5780, section 7.3).</summary>
    ResponseOrigin = 0x802B,

    /// <summary>From where a response would come that differs in address and port (RFC 5780, section 7.4).</summary>
    OtherAddress = 0x802C,
}

/// <summary>In what an answer's origin is to differ from where the request arrived: the bits of CHANGE-REQUEST.</summary>
[Flags]
public enum StunChange : uint
{
    /// <summary>In nothing.</summary>
    None = 0,

    /// <summary>In the port.</summary>
    Port = 0x2,

    /// <summary>In the address.</summary>
    Address = 0x4,
}
