using Kedge.Commands.Admin;
using Kedge.Protocol;

namespace Kedge.Tests.Commands.Admin;

/// <summary>What is kept of a login, and what is no login.</summary>
public sealed class LoginTests : IDisposable
{
    private static readonly Login Known = new(new Uri("https://control.example:8443"), Sha256Digest.Of("pin"u8), "0123456789abcdef.S3cr3t_-");

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("kedge-login");

    private string File => Path.Combine(_folder.FullName, "kedge", "login.json");

    [Fact]
    public void What_is_written_is_read()
    {
        Known.Write(File);
        Assert.Equal(Known, Login.Read(File));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, System.IO.File.GetUnixFileMode(File));
    }

    [Fact]
    public void Its_text_has_no_token() => Assert.DoesNotContain("S3cr3t", Known.ToString(), StringComparison.Ordinal);

    [Theory]
    [InlineData("")]
    [InlineData("null")]
    [InlineData("{}")]
    [InlineData("""{"url": null, "pin": null, "token": null}""")]
    [InlineData("""{"url": "http://control.example", "pin": "P", "token": "a.S3cr3t"}""")]
    [InlineData("""{"url": "https://control.example", "pin": "short", "token": "a.S3cr3t"}""")]
    [InlineData("""{"url": "https://control.example", "pin": "P", "token": "a.S3cr3t\r\nX: y"}""")]
    public void Anything_else_is_no_login(string text)
    {
        Known.Write(File);
        System.IO.File.WriteAllText(File, text.Replace("\"P\"", $"\"{Known.Pin}\"", StringComparison.Ordinal));

        UserError error = Assert.Throws<UserError>(() => Login.Read(File));

        Assert.Contains("is not a login as 'kedge login' writes it", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("S3cr3t", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(UnixFileMode.GroupRead)]
    [InlineData(UnixFileMode.OtherRead)]
    [InlineData(UnixFileMode.GroupWrite)]
    public void A_file_that_others_can_read_or_change_is_refused(UnixFileMode mode)
    {
        Known.Write(File);
        System.IO.File.SetUnixFileMode(File, UnixFileMode.UserRead | UnixFileMode.UserWrite | mode);

        Assert.Contains($"chmod 600 {File}", Assert.Throws<UserError>(() => Login.Read(File)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("https://control.example", true)]
    [InlineData("https://control.example:8443/", true)]
    [InlineData("https://192.0.2.1", true)]
    [InlineData("https://[2001:db8::1]:8443", true)]
    [InlineData("http://control.example", false)]
    [InlineData("control.example:8443", false)]
    [InlineData("https://control.example/api", false)]
    [InlineData("https://control.example?x", false)]
    [InlineData("https://control.example#x", false)]
    [InlineData("https://me@control.example", false)]
    [InlineData("https://", false)]
    [InlineData("", false)]
    public void An_address_is_https_with_host_and_port_alone(string text, bool valid) => Assert.Equal(valid, Login.TryReadUrl(text, out _));

    [Fact]
    public void What_is_no_token_is_not_repeated()
    {
        UserError error = Assert.Throws<UserError>(() => Login.ReadToken("my pass word", "Standard input"));
        Assert.DoesNotContain("pass", error.Message, StringComparison.Ordinal);
    }

    public void Dispose() => _folder.Delete(recursive: true);
}
