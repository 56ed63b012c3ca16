using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using Kedge.Protocol.Certificates;
using Kedge.Protocol.Ip;

namespace Kedge.Protocol.Enrolment;

/// <summary>
/// All that a node needs to join, in one line: <c>kedge:https://HOST:PORT?network=…&amp;pin=…&amp;token=…&amp;invitation=…</c>. It comes from a
/// file, standard input or the environment, never as an argument, because token and invitation are secrets.
/// </summary>
public sealed record JoinLine
{
    /// <summary>The longest line in characters.</summary>
    public const int MaximumLength = 1024;

    /// <summary>The most pins that a line has.</summary>
    public const int MaximumPins = 8;

    private const string Scheme = "kedge:https://";
    private const int DefaultPort = 443;

    private static readonly SearchValues<char> IdentifierCharacters = SearchValues.Create("abcdefghijklmnopqrstuvwxyz0123456789");

    private static readonly SearchValues<char> SecretCharacters =
        SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_");

    /// <summary>The controller's host: a DNS name in lower case, or an IP address without brackets.</summary>
    public required string Host { get; init; }

    /// <summary>The controller's TCP port, 1 to 65535.</summary>
    public required int Port { get; init; }

    /// <summary>The network's identifier: the SHA-256 of the master key's SubjectPublicKeyInfo.</summary>
    public required Sha256Digest Network { get; init; }

    /// <summary>The SHA-256 of the SubjectPublicKeyInfo of the authority that certifies the controller's TLS key.</summary>
    public required Sha256Digest Pin { get; init; }

    /// <summary>Pins of other authorities by which the controller may be known as well, such as those that a new one has just replaced.</summary>
    public IReadOnlyList<Sha256Digest> OtherPins { get; init; } = [];

    /// <summary>The token as <c>identifier.secret</c>, a secret; null where the node is enrolled already and needs none.</summary>
    public string? Token { get; init; }

    /// <summary>The token's identifier, which is no secret; null without a token.</summary>
    public string? TokenId => Token?.Split('.')[0];

    /// <summary>The invitation of the master key's holder, a secret that never goes to the controller; null without one.</summary>
    public Invitation? Invitation { get; init; }

    /// <summary>The controller's address: <c>https://HOST:PORT</c>.</summary>
    public string Url => $"https://{Authority}";

    private string Authority => Host.Contains(':') ? $"[{Host}]:{Port}" : $"{Host}:{Port}";

    /// <summary>Reads a line. Blanks and line ends around it do not count.</summary>
    /// <param name="text">The line.</param>
    /// <param name="line">What it says, when the result is true.</param>
    /// <param name="error">What is wrong and what would be right, in a sentence that does not have the token, when the result is false.</param>
    public static bool TryParse(string text, [NotNullWhen(true)] out JoinLine? line, [NotNullWhen(false)] out string? error)
    {
        line = null;
        error = null;
        ReadOnlySpan<char> rest = text.AsSpan().Trim();
        if (rest.IsEmpty)
            error = "The join line is empty.";
        else if (rest.Length > MaximumLength)
            error = $"The join line has {rest.Length} characters; no join line has more than {MaximumLength}.";
        else if (rest.ContainsAny('\r', '\n'))
            error = "There is more than one line; the join line is one line.";
        else if (!rest.StartsWith(Scheme, StringComparison.Ordinal))
            error = $"A join line begins with {Scheme}, this one does not.";
        if (error is not null)
            return false;

        rest = rest[Scheme.Length..];
        int question = rest.IndexOf('?');
        if (question < 0)
        {
            error = "The join line ends before its network and pin. It has the form kedge:https://HOST:PORT?network=…&pin=…&token=….";
            return false;
        }
        return TryReadAuthority(rest[..question], out string host, out int port, out error)
            && TryReadParameters(rest[(question + 1)..], host, port, out line, out error);
    }

    /// <summary>Reads a line.</summary>
    /// <exception cref="UserError">It is no join line; the message says why.</exception>
    public static JoinLine Parse(string text) => TryParse(text, out JoinLine? line, out string? error) ? line : throw new UserError(error);

    /// <summary>The line with the token and the invitation in it: a secret.</summary>
    public string ToSecretText() =>
        ToString() + (Token is null ? "" : $"&token={Token}") + (Invitation is null ? "" : $"&invitation={Invitation.ToSecretText()}");

    /// <summary>The line without its secrets, to be shown and logged.</summary>
    public override string ToString() => $"kedge:{Url}?network={Network}&pin={Pin}{string.Concat(OtherPins.Select(pin => $"&pin={pin}"))}";

    /// <summary>Two lines are equal that are written the same.</summary>
    public bool Equals(JoinLine? other) => other is not null && ToSecretText() == other.ToSecretText();

    /// <inheritdoc/>
    public override int GetHashCode() => ToString().GetHashCode(StringComparison.Ordinal);

    /// <summary>Whether <paramref name="text"/> has the form of a token: <c>identifier.secret</c>.</summary>
    public static bool IsToken(ReadOnlySpan<char> text)
    {
        const int MaximumPart = 64;
        int dot = text.IndexOf('.');
        return dot is > 0 and <= MaximumPart
            && !text[..dot].ContainsAnyExcept(IdentifierCharacters)
            && text.Length - dot - 1 is > 0 and <= MaximumPart
            && !text[(dot + 1)..].ContainsAnyExcept(SecretCharacters);
    }

    private static bool TryReadAuthority(ReadOnlySpan<char> authority, out string host, out int port, [NotNullWhen(false)] out string? error)
    {
        host = "";
        port = DefaultPort;
        error = null;
        // What is behind these belongs to the parameters, whatever it does here: it might be the token, which no message repeats.
        int shown = authority.IndexOfAny('&', '=');
        string shownAuthority = (shown < 0 ? authority : authority[..shown]).ToString();
        bool inBrackets = authority.StartsWith("[", StringComparison.Ordinal);
        int end = inBrackets ? authority.IndexOf(']') + 1 : authority.IndexOf(':');
        if (end <= 0 && !inBrackets)
            end = authority.Length;
        ReadOnlySpan<char> name = authority[..end];
        ReadOnlySpan<char> number = authority[end..];
        if (inBrackets ? !TryReadIPv6(name, out host) : !TryReadHost(name, out host))
        {
            error = $"'{shownAuthority}' does not begin with a host: a DNS name, an IPv4 address, or an IPv6 address in brackets.";
            return false;
        }
        if (number.IsEmpty)
            return true;
        bool valid = number[0] == ':'
            && int.TryParse(number[1..], NumberStyles.None, CultureInfo.InvariantCulture, out port)
            && port is > 0 and <= 65535;
        if (!valid)
            error = $"'{shownAuthority}' does not end in a port: a colon and a number from 1 to 65535.";
        return valid;
    }

    private static bool TryReadIPv6(ReadOnlySpan<char> name, out string host)
    {
        host = "";
        if (name.Length < 2 || !IpAddress.TryParse(name[1..^1], out IpAddress address) || !address.IsIPv6)
            return false;
        host = address.ToString();
        return true;
    }

    private static bool TryReadHost(ReadOnlySpan<char> name, out string host)
    {
        host = "";
        if (IpAddress.TryParse(name, out IpAddress address) && address.IsIPv4)
        {
            host = address.ToString();
            return true;
        }
        string lower = name.ToString().ToLowerInvariant();
        string[] labels = lower.Split('.');
        if (lower.Length > 253 || !labels.All(CommonName.IsLabel) || IsNumber(labels[^1]))
            return false;
        host = lower;
        return true;
    }

    // Others read what ends in a number as an IPv4 address, also 10.1 and 0x7f000001; here it is none (RFC 3986 section 3.2.2).
    private static bool IsNumber(string label) =>
        label.All(char.IsAsciiDigit) || (label.StartsWith("0x", StringComparison.Ordinal) && label.Skip(2).All(char.IsAsciiHexDigit));

    private static bool TryReadParameters(
        ReadOnlySpan<char> query, string host, int port, [NotNullWhen(true)] out JoinLine? line, [NotNullWhen(false)] out string? error)
    {
        line = null;
        Sha256Digest? network = null;
        List<Sha256Digest> pins = [];
        string? token = null;
        Invitation? invitation = null;
        foreach (Range range in query.Split('&'))
        {
            ReadOnlySpan<char> parameter = query[range];
            int equals = Math.Max(parameter.IndexOf('='), 0);
            ReadOnlySpan<char> value = parameter[Math.Min(equals + 1, parameter.Length)..];
            error = parameter[..equals] switch
            {
                "network" when network is null => ReadHash("network", value, ref network),
                "pin" when pins.Count < MaximumPins => ReadPin(value, pins),
                "pin" => $"The join line has more than {MaximumPins} pins.",
                "token" when token is null => ReadToken(value, ref token),
                "invitation" when invitation is null => ReadInvitation(value, ref invitation),
                "network" or "token" or "invitation" => $"The join line has {parameter[..equals]} twice.",
                // Its name is not repeated: a token that was cut in two must not turn up in a message.
                _ => "The join line has a part that is neither network, pin, token nor invitation; perhaps it was made by a newer version of Kedge.",
            };
            if (error is not null)
                return false;
        }
        if (network is null || pins.Count == 0)
        {
            error = $"The join line lacks its {(network is null ? "network" : "pin")}. It has the form kedge:https://HOST:PORT?network=…&pin=…&token=….";
            return false;
        }
        error = null;
        line = new JoinLine { Host = host, Port = port, Network = network.Value, Pin = pins[0], OtherPins = pins[1..], Token = token, Invitation = invitation };
        return true;
    }

    private static string? ReadHash(string name, ReadOnlySpan<char> value, ref Sha256Digest? hash)
    {
        if (!Sha256Digest.TryParse(value, out Sha256Digest read))
            return $"The join line's {name} is not the base64url form of 32 bytes, 43 characters; perhaps it was cut off.";
        hash = read;
        return null;
    }

    private static string? ReadPin(ReadOnlySpan<char> value, List<Sha256Digest> pins)
    {
        Sha256Digest? pin = null;
        if (ReadHash("pin", value, ref pin) is { } error)
            return error;
        if (pins.Contains(pin!.Value))
            return "The join line has the same pin twice.";
        pins.Add(pin.Value);
        return null;
    }

    private static string? ReadInvitation(ReadOnlySpan<char> value, ref Invitation? invitation) =>
        Enrolment.Invitation.TryParse(value, out invitation)
            ? null
            : "The join line's invitation is not of the form name.secret, as 'kedge ca invite' writes it; perhaps it was cut off.";

    private static string? ReadToken(ReadOnlySpan<char> value, ref string? token)
    {
        if (!IsToken(value))
            return "The join line's token is not of the form identifier.secret; perhaps it was cut off.";
        token = value.ToString();
        return null;
    }
}
