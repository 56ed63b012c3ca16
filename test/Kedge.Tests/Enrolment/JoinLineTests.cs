using Kedge.Protocol;
using Kedge.Protocol.Enrolment;

namespace Kedge.Tests.Enrolment;

/// <summary>The one line that a node joins with.</summary>
public class JoinLineTests
{
    private const string Network = "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0";
    private const string Pin = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
    private const string Secret = "q-JVkP0O5XQ9dJwCk1ZqkYp6mQvT8hRzvPzqkGm3x_0";
    private const string Token = $"9f3a6c0d12e4b758.{Secret}";
    private const string Line = $"kedge:https://controller.example:8443?network={Network}&pin={Pin}&token={Token}";

    [Fact]
    public void A_line_says_where_whom_and_with_what()
    {
        var line = JoinLine.Parse(Line);
        Assert.Equal("controller.example", line.Host);
        Assert.Equal(8443, line.Port);
        Assert.Equal("https://controller.example:8443", line.Url);
        Assert.Equal(Sha256Digest.Parse(Network), line.Network);
        Assert.Equal(Sha256Digest.Parse(Pin), line.Pin);
        Assert.Equal(Token, line.Token);
        Assert.Equal(Line, line.ToSecretText());
    }

    [Fact]
    public void A_line_that_is_shown_has_no_token()
    {
        var line = JoinLine.Parse(Line);
        Assert.Equal(Line[..Line.IndexOf("&token", StringComparison.Ordinal)], line.ToString());
        Assert.DoesNotContain(Secret, $"{line}", StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Controller.Example", "controller.example", 443, "https://controller.example:443")]
    [InlineData("10.0.0.1:1", "10.0.0.1", 1, "https://10.0.0.1:1")]
    [InlineData("[FD00::1]:65535", "fd00::1", 65535, "https://[fd00::1]:65535")]
    [InlineData("[fd00::1]", "fd00::1", 443, "https://[fd00::1]:443")]
    [InlineData("node-3:8443", "node-3", 8443, "https://node-3:8443")]
    public void A_host_is_a_name_or_an_address(string authority, string host, int port, string url)
    {
        var line = JoinLine.Parse($"kedge:https://{authority}?pin={Pin}&network={Network}");
        Assert.Equal((host, port, url), (line.Host, line.Port, line.Url));
        Assert.Null(line.Token);
        Assert.Equal(line, JoinLine.Parse(line.ToSecretText()));
    }

    [Fact]
    public void Blanks_and_line_ends_around_it_do_not_count() => Assert.Equal(JoinLine.Parse(Line), JoinLine.Parse($"  {Line} \r\n\n"));

    [Theory]
    [InlineData("", "is empty")]
    [InlineData(" \n", "is empty")]
    [InlineData("https://controller.example", "begins with kedge:https://")]
    [InlineData("kedge:http://controller.example", "begins with kedge:https://")]
    [InlineData("KEDGE:https://controller.example", "begins with kedge:https://")]
    [InlineData("kedge:https://controller.example", "ends before its network")]
    [InlineData("kedge:https://?network=", "'' does not begin with a host")]
    [InlineData("kedge:https://a b?network=", "'a b' does not begin with a host")]
    [InlineData("kedge:https://user@host?network=", "'user@host' does not begin with a host")]
    [InlineData("kedge:https://host/path?network=", "'host/path' does not begin with a host")]
    [InlineData("kedge:https://256.0.0.1?network=", "'256.0.0.1' does not begin with a host")]
    [InlineData("kedge:https://10.1?network=", "'10.1' does not begin with a host")]
    [InlineData("kedge:https://0x7f000001?network=", "'0x7f000001' does not begin with a host")]
    [InlineData("kedge:https://a.0x?network=", "'a.0x' does not begin with a host")]
    [InlineData("kedge:https://a..b?network=", "'a..b' does not begin with a host")]
    [InlineData("kedge:https://fd00::1?network=", "'fd00::1' does not end in a port")]
    [InlineData("kedge:https://[fd00::1?network=", "does not begin with a host")]
    [InlineData("kedge:https://[10.0.0.1]?network=", "does not begin with a host")]
    [InlineData("kedge:https://[]?network=", "does not begin with a host")]
    [InlineData("kedge:https://[fd00::1]8443?network=", "does not end in a port")]
    [InlineData("kedge:https://host:?network=", "'host:' does not end in a port")]
    [InlineData("kedge:https://host:0?network=", "does not end in a port")]
    [InlineData("kedge:https://host:65536?network=", "does not end in a port")]
    [InlineData("kedge:https://host:+1?network=", "does not end in a port")]
    [InlineData("kedge:https://host?", "neither network, pin, token nor invitation")]
    [InlineData("kedge:https://host?network", "neither network, pin, token nor invitation")]
    [InlineData($"kedge:https://host?network={Network}", "lacks its pin")]
    [InlineData($"kedge:https://host?pin={Pin}", "lacks its network")]
    [InlineData($"kedge:https://host?network={Network}&network={Network}&pin={Pin}", "has network twice")]
    [InlineData($"kedge:https://host?network={Network}&pin={Pin}&", "neither network, pin, token nor invitation")]
    [InlineData($"kedge:https://host?network={Network}&pin=short", "pin is not the base64url form")]
    [InlineData($"kedge:https://host?network={Network}=&pin={Pin}", "network is not the base64url form")]
    [InlineData($"kedge:https://host?network={Network}&pin={Pin}\nkedge:", "one line")]
    public void What_is_wrong_is_said(string text, string expected)
    {
        Assert.False(JoinLine.TryParse(text, out JoinLine? line, out string? error));
        Assert.Null(line);
        Assert.Contains(expected, error, StringComparison.Ordinal);
        Assert.EndsWith(".", error, StringComparison.Ordinal);
        Assert.Equal(error, Assert.Throws<UserError>(() => JoinLine.Parse(text)).Message);
    }

    [Fact]
    public void A_line_of_more_than_a_kilobyte_is_refused() =>
        Assert.False(JoinLine.TryParse(Line + new string('x', JoinLine.MaximumLength), out _, out _));

    /// <summary>Wherever a line is cut, or a character of it lost or changed, no message repeats a piece of the secret.</summary>
    [Fact]
    public void No_message_has_a_piece_of_the_token()
    {
        foreach (string text in Spoilt())
        {
            if (JoinLine.TryParse(text, out _, out string? error))
                continue;
            for (int i = 0; i + 6 <= Secret.Length; i++)
                Assert.DoesNotContain(Secret[i..(i + 6)], error, StringComparison.Ordinal);
        }

        static IEnumerable<string> Spoilt()
        {
            yield return $"kedge:https://host&token={Token}?network={Network}";
            yield return $"kedge:https://host:8443&token={Token}?network={Network}&pin={Pin}";
            for (int i = 0; i < Line.Length; i++)
            {
                yield return Line[..i];
                yield return Line[i..];
                yield return Line.Remove(i, 1);
                foreach (char c in "=&?.:/ \n[")
                {
                    yield return Line.Insert(i, $"{c}");
                    yield return $"{Line[..i]}{c}{Line[(i + 1)..]}";
                }
            }
        }
    }

    [Theory]
    [InlineData("a.b", true)]
    [InlineData(Token, true)]
    [InlineData("", false)]
    [InlineData(".", false)]
    [InlineData("a.", false)]
    [InlineData(".b", false)]
    [InlineData("a", false)]
    [InlineData("A.b", false)]
    [InlineData("a.b.c", false)]
    [InlineData("a.b=", false)]
    [InlineData("a b.c", false)]
    public void A_token_is_an_identifier_and_a_secret(string text, bool isToken) => Assert.Equal(isToken, JoinLine.IsToken(text));

    [Fact]
    public void A_line_may_have_several_pins_and_an_invitation()
    {
        string other = Kedge.Protocol.Sha256Digest.Of("another authority"u8).ToString();
        string text = $"kedge:https://host:443?network={Network}&pin={Pin}&pin={other}&token=id.secret&invitation=buoy-7.AQEBAQEBAQEBAQEBAQEBAQ";

        JoinLine line = JoinLine.Parse(text);

        Assert.Equal([other], line.OtherPins.Select(pin => pin.ToString()));
        Assert.Equal("buoy-7", line.Invitation!.Name);
        Assert.Equal(text, line.ToSecretText());
        Assert.Equal($"kedge:https://host:443?network={Network}&pin={Pin}&pin={other}", line.ToString());
        Assert.False(JoinLine.TryParse(text + $"&pin={other}", out _, out string? error));
        Assert.Contains("the same pin twice", error, StringComparison.Ordinal);
        Assert.False(JoinLine.TryParse(text.Replace("AQEBAQ&", "AQ&", StringComparison.Ordinal)[..^2], out _, out error));
        Assert.DoesNotContain("AQEB", error, StringComparison.Ordinal);
    }
}
