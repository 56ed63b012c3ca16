namespace Kedge.Protocol.WireGuard.Uapi;

/// <summary>
/// What was wrong with a request. The number goes to the client as <c>errno=-N</c>; the reason goes to our log, and never holds a key.
/// </summary>
/// <param name="Errno">The error number of errno(3), positive.</param>
/// <param name="Reason">What is wrong with which key, as one sentence.</param>
public sealed record UapiError(int Errno, string Reason)
{
    /// <summary>EINVAL: a key that does not exist here, or a value that it cannot have.</summary>
    public const int Invalid = 22;

    /// <summary>ENODEV: the device is ending.</summary>
    public const int NoDevice = 19;

    /// <summary>EPROTO: not this protocol at all; nothing that follows on the connection means anything.</summary>
    public const int Protocol = 71;

    /// <summary>EMSGSIZE: the request is longer than any that makes sense.</summary>
    public const int TooLong = 90;

    /// <summary>EADDRINUSE: the listening port is taken.</summary>
    public const int AddressInUse = 98;

    /// <summary>EIO: a failure that no other number describes.</summary>
    public const int Io = 5;
}

/// <summary>A request that cannot be carried out, thrown by the device where a change is applied.</summary>
public sealed class UapiException : Exception
{
    /// <summary>Describes the failure.</summary>
    /// <param name="errno">The error number for the client, positive, such as <see cref="UapiError.AddressInUse"/>.</param>
    /// <param name="reason">What is wrong, for our log; without keys.</param>
    public UapiException(int errno, string reason)
        : base(reason) => Error = new UapiError(errno, reason);

    /// <summary>What was wrong.</summary>
    public UapiError Error { get; }
}
