using System.Security.Cryptography;

namespace Kedge.Protocol.WireGuard.Uapi;

/// <summary>What <see cref="UapiReader.Read"/> came upon.</summary>
public enum UapiEvent
{
    /// <summary>The end of the bytes; more are needed.</summary>
    None,

    /// <summary>A whole <c>get=1</c> request.</summary>
    Get,

    /// <summary>
    /// A whole <c>kedge_get=1</c> request: Kedge's own, without secret keys and with figures that WireGuard has no key for.
    /// </summary>
    KedgeGet,

    /// <summary>A whole <c>kedge_watch=1</c> request: Kedge's own, answered by a <see cref="DeviceEvent"/> a line from then on.</summary>
    KedgeWatch,

    /// <summary>A whole <c>set=1</c> request, which <see cref="UapiReader.TakeChange"/> hands over.</summary>
    Set,

    /// <summary>A request that cannot be; <see cref="UapiReader.Error"/> says why. The next one starts after the next empty line.</summary>
    Error,

    /// <summary>
    /// Something that is not this protocol, or too much of it; <see cref="UapiReader.Error"/> says why. Nothing more is read from this
    /// connection.
    /// </summary>
    Violation,
}

/// <summary>
/// Reads the requests of one connection from its bytes, however these are cut: <c>key=value</c> lines, of which the first is the operation
/// and an empty one the end (<see href="https://www.wireguard.com/xplatform/#configuration-protocol"/>). A request is known to be good as a
/// whole before anybody hears of it, so bad input changes nothing.
/// <para>
/// It holds one line and the change that is being put together, and zeroes both when done with them. One thread at a time.
/// </para>
/// </summary>
/// <param name="interfaceIndex">
/// The index of an interface by its name, 0 for none: <c>wg</c> names the scope of a link-local endpoint so (<c>[fe80::1%eth0]:51820</c>).
/// </param>
public sealed class UapiReader(Func<string, uint> interfaceIndex) : IDisposable
{
    /// <summary>Bytes of the longest line, without its line feed. The longest that makes sense has a control frame.</summary>
    public const int MaximumLineLength = 2560;

    /// <summary>Bytes of the longest request: five times those of a thousand peers with fifty prefixes each.</summary>
    public const int MaximumRequestLength = 16 << 20;

    private readonly byte[] _line = new byte[MaximumLineLength];
    private int _lineLength;
    private int _requestLength;
    private State _state;
    private DeviceChangeParser? _set;
    private DeviceChange? _change;

    private enum State
    {
        Operation,
        Get,
        KedgeGet,
        KedgeWatch,
        Set,
        SkipToEmptyLine,
        SkipAll,
    }

    /// <summary>What was wrong, after <see cref="UapiEvent.Error"/> and <see cref="UapiEvent.Violation"/>.</summary>
    public UapiError? Error { get; private set; }

    /// <summary>Whether a request has begun that is not at its end yet.</summary>
    public bool IsInsideRequest => _state is not (State.Operation or State.SkipAll) || _lineLength > 0;

    /// <summary>About how many bytes of memory the unfinished request takes.</summary>
    public int HeldBytes => _set?.HeldBytes ?? 0;

    /// <summary>Reads up to the next event.</summary>
    /// <param name="bytes">What was received, in order. Whoever owns it zeroes it: there may be keys in it.</param>
    /// <param name="consumed">
    /// How many bytes were read; the others are to be handed in again, unless the event was <see cref="UapiEvent.None"/>, which reads all.
    /// </param>
    public UapiEvent Read(ReadOnlySpan<byte> bytes, out int consumed)
    {
        consumed = 0;
        while (consumed < bytes.Length)
        {
            if (_state == State.SkipAll)
            {
                consumed = bytes.Length;
                break;
            }
            ReadOnlySpan<byte> rest = bytes[consumed..];
            int lineFeed = rest.IndexOf((byte)'\n');
            int length = lineFeed < 0 ? rest.Length : lineFeed;
            if (_lineLength + length > MaximumLineLength)
                return Violate(UapiError.Protocol, $"A line is longer than {MaximumLineLength} bytes.");
            rest[..length].CopyTo(_line.AsSpan(_lineLength));
            _lineLength += length;
            consumed += length;
            _requestLength += lineFeed < 0 ? length : length + 1;
            if (_requestLength > MaximumRequestLength)
                return Violate(UapiError.TooLong, $"The request is longer than {MaximumRequestLength} bytes.");
            if (lineFeed < 0)
                break;

            consumed++;
            UapiEvent found = ReadLine(_line.AsSpan(0, _lineLength));
            CryptographicOperations.ZeroMemory(_line.AsSpan(0, _lineLength));
            _lineLength = 0;
            if (found != UapiEvent.None)
                return found;
        }
        return UapiEvent.None;
    }

    /// <summary>
    /// Hands over the change of the <see cref="UapiEvent.Set"/> that <see cref="Read"/> just came upon. The caller disposes it.
    /// </summary>
    public DeviceChange TakeChange()
    {
        DeviceChange change = _change ?? throw new InvalidOperationException("There is no finished set request.");
        _change = null;
        return change;
    }

    /// <summary>
    /// Gives up the unfinished request with an error of the caller's, such as that there is no room for it. Nothing more is read from this
    /// connection.
    /// </summary>
    public void Abandon(UapiError error) => Violate(error.Errno, error.Reason);

    /// <summary>Zeroes what it holds.</summary>
    public void Dispose()
    {
        CryptographicOperations.ZeroMemory(_line);
        _set?.Dispose();
        _set = null;
        _change?.Dispose();
        _change = null;
    }

    private UapiEvent ReadLine(ReadOnlySpan<byte> line)
    {
        switch (_state)
        {
            case State.Operation:
                return ReadOperation(line);
            case State.Get or State.KedgeGet or State.KedgeWatch:
                if (!line.IsEmpty)
                    return Fail(new UapiError(UapiError.Invalid, "A get request has a key."));
                UapiEvent get = _state == State.Get ? UapiEvent.Get : _state == State.KedgeGet ? UapiEvent.KedgeGet : UapiEvent.KedgeWatch;
                Begin(State.Operation);
                return get;
            case State.Set when line.IsEmpty:
                _change = _set!.Finish();
                _set = null;
                Begin(State.Operation);
                return UapiEvent.Set;
            case State.Set:
                UapiError? error = _set!.ReadLine(line);
                return error is null ? UapiEvent.None
                    : error.Errno == UapiError.Protocol ? Violate(error.Errno, error.Reason) : Fail(error);
            default:
                if (line.IsEmpty)
                    Begin(State.Operation);
                return UapiEvent.None;
        }
    }

    private UapiEvent ReadOperation(ReadOnlySpan<byte> line)
    {
        if (line.SequenceEqual("get=1"u8))
        {
            _state = State.Get;
        }
        else if (line.SequenceEqual("kedge_get=1"u8))
        {
            _state = State.KedgeGet;
        }
        else if (line.SequenceEqual("kedge_watch=1"u8))
        {
            _state = State.KedgeWatch;
        }
        else if (line.SequenceEqual("set=1"u8))
        {
            _state = State.Set;
            _set = new DeviceChangeParser(interfaceIndex);
        }
        else
        {
            return Violate(UapiError.Protocol, "A request starts with neither get=1 nor set=1.");
        }
        return UapiEvent.None;
    }

    private void Begin(State state)
    {
        _state = state;
        _requestLength = 0;
    }

    private UapiEvent Fail(UapiError error)
    {
        DropChange();
        Error = error;
        _state = State.SkipToEmptyLine;
        return UapiEvent.Error;
    }

    private UapiEvent Violate(int errno, string reason)
    {
        DropChange();
        CryptographicOperations.ZeroMemory(_line);
        _lineLength = 0;
        Error = new UapiError(errno, reason);
        _state = State.SkipAll;
        return UapiEvent.Violation;
    }

    private void DropChange()
    {
        _set?.Dispose();
        _set = null;
    }
}
