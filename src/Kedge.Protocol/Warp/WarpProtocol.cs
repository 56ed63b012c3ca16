namespace Kedge.Protocol.Warp;

/// <summary>The names by which both ends of a warp agree on what is spoken (ALPN, RFC 7301).</summary>
public static class WarpProtocol
{
    /// <summary>Kedge's own: <see cref="WarpFrame"/> on the connector's first stream, <see cref="CallHeader"/> on each of the listener's.</summary>
    public const string Current = "kedge-warp/1";

    /// <summary>socket-warp's: nothing but <see cref="LegacyCallHeader"/>, so neither registration, reasons nor outcomes.</summary>
    public const string Legacy = "hq-29";

    /// <summary>Both, the preferred one first.</summary>
    public static IReadOnlyList<string> All { get; } = [Current, Legacy];
}

/// <summary>Why a listener does not let a connector in; also the code that its connection is closed with.</summary>
public enum WarpRefusal : byte
{
    /// <summary>None: the connector is let in.</summary>
    None = 0,

    /// <summary>The first frame was not a registration, or none came in time.</summary>
    NoHello = 1,

    /// <summary>Another connector has this uid, and answers.</summary>
    UidTaken = 2,

    /// <summary>The uid is not the one that the certificate is for.</summary>
    UidNotCertified = 3,

    /// <summary>The certificate was revoked, or its authority is no longer trusted, while the connection lasted.</summary>
    CertificateRefused = 4,

    /// <summary>The listener ends.</summary>
    Ending = 5,

    /// <summary>Another connection of the same connector has taken this one's place.</summary>
    Replaced = 6,
}

/// <summary>How a connector's attempt to reach a target ended: the first byte that it sends on a call's stream.</summary>
public enum CallOutcome : byte
{
    /// <summary>It is connected: what follows are the target's bytes.</summary>
    Connected = 0,

    /// <summary>The connector does not connect to this target, by its own list.</summary>
    NotAllowed = 1,

    /// <summary>The target's name has no address.</summary>
    NameUnknown = 2,

    /// <summary>Nobody listens at the target.</summary>
    Refused = 3,

    /// <summary>There is no way to the target.</summary>
    Unreachable = 4,

    /// <summary>The target has not answered in time.</summary>
    TimedOut = 5,

    /// <summary>The connector could not try: it is out of descriptors, for example.</summary>
    Failed = 6,
}
